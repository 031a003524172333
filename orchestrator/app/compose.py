"""The one composition of Eph: ``compose`` creates every part and passes each what it depends on.

``ephd``, the stories, the model and the benchmarks all call it; they differ in their ports. Nothing runs before
``System.start``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from orchestrator.app.ports import Options, Ports
from orchestrator.app.system import System
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.loop import Loop, LoopDependencies
from orchestrator.runtime.observation.forge_reader import ForgeReader
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.observation.image_finder import ImageFinder
from orchestrator.runtime.observation.observer import Observer, ObserverSources
from orchestrator.runtime.observation.recipe_reader import RecipeReader
from orchestrator.runtime.operations.executor import PlanExecutor, PlanExecutorDependencies
from orchestrator.runtime.operations.forge_tasks import ForgeTaskDependencies, ForgeTasks
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.operations.remote_operations import RemoteOperations
from orchestrator.runtime.server.target_keeper import TargetKeeper
from orchestrator.runtime.suites.suite_runner import SuiteRunner, SuiteRunnerDependencies
from orchestrator.runtime.terms import TermDependencies, TermListener, Terms
from orchestrator.service.auditor import AuditDependencies, Auditor
from orchestrator.service.chat_actions import ChatActions
from orchestrator.service.chat_replies import ChatReplies
from orchestrator.service.command_listener import CommandListener, CommandListenerDependencies
from orchestrator.service.environment_service import ControlPlaneDependencies, LocalControlPlane
from orchestrator.service.expiry_sync import ExpirySync
from orchestrator.service.notifier import Notifier, NotifierDependencies
from orchestrator.surfaces.reports.reporter import Reporter
from programs.registry import DetectsDrift


def compose(ports: Ports, options: Options) -> System:
    core = _Core.create(ports, options)
    suites, notifier, expiry = _suites(core), _notifier(core), _expiry(core)
    executor = PlanExecutor(_executor_dependencies(core, notifier))
    monitor = HealthMonitor(ports.probe, ports.clock, ports.wakeups.wake, ports.sleep)
    remote = RemoteOperations(core.leadership, ports.operations, core.journal, ports.wakeups)
    auditor = _auditor(core, executor, remote)
    service = _service(core, executor, auditor, suites)
    commands = _commands(core, service, notifier)
    terms = Terms(_term_dependencies(core, suites, (notifier, expiry, commands)))
    loop = Loop(
        LoopDependencies(
            observer=Observer(_sources(core, executor, monitor), core.facts),
            executor=executor,
            monitor=monitor,
            journal=core.journal,
            wakeups=ports.wakeups,
            leadership=core.leadership,
            terms=terms,
            remote_operations=remote,
            cycles=core.cycles,
            listeners=(
                *ports.listeners,
                notifier.on_cycle,
                suites.on_cycle,
                expiry.on_cycle,
                commands.on_cycle,
            ),
        ),
        options.policy,
        ports.clock,
        options.interval,
    )
    keeper = TargetKeeper(options.targets, ports.target, core.journal, options.rules.secrets.problems)
    return System(
        ports=ports,
        options=options,
        facts=core.facts,
        journal=core.journal,
        cycles=core.cycles,
        leadership=core.leadership,
        terms=terms,
        suites=suites,
        notifier=notifier,
        executor=executor,
        monitor=monitor,
        auditor=auditor,
        service=service,
        commands=commands,
        targets=keeper,
        loop=loop,
    )


@dataclass(frozen=True, slots=True)
class _Core:
    """What most parts share."""

    ports: Ports
    options: Options
    facts: LoopFacts
    cycles: Cycles
    journal: Journal
    leadership: Leadership
    replies: ChatReplies

    @staticmethod
    def create(ports: Ports, options: Options) -> _Core:
        journal, leadership = Journal(ports.ledger, ports.clock), Leadership(ports.lease, ports.wakeups)
        return _Core(ports, options, LoopFacts(), Cycles(), journal, leadership, ChatReplies())

    def recipe_reader(self) -> RecipeReader:
        """A reader is for one caller at a time, so each caller gets its own."""
        return RecipeReader(self.ports.forge, self.options.rules, self.ports.clock)


def _suites(core: _Core) -> SuiteRunner:
    return SuiteRunner(
        SuiteRunnerDependencies(
            records=core.options.records,
            history=core.facts.suites,
            journal=core.journal,
            clock=core.ports.clock,
            wake=core.ports.wakeups.wake,
            token=core.options.suite_token,
            slots=core.options.suite_slots,
            is_leader=core.leadership.is_leader,
            target=core.ports.target,
            secrets=core.options.rules.secrets.values,
        )
    )


def _notifier(core: _Core) -> Notifier:
    return Notifier(
        NotifierDependencies(
            create_reporter=lambda: Reporter(core.ports.forge, core.ports.clock, core.leadership.is_leader),
            journal=core.journal,
            pending_reports=core.ports.pending_reports,
            replies=core.replies,
            is_leader=core.leadership.is_leader,
            forget_record=core.ports.operations.forget,
        )
    )


def _expiry(core: _Core) -> ExpirySync:
    return ExpirySync(core.options.targets, core.leadership.is_leader, core.ports.target)


def _executor_dependencies(core: _Core, notifier: Notifier) -> PlanExecutorDependencies:
    ports, facts = core.ports, core.facts
    return PlanExecutorDependencies(
        operations=ports.operations,
        forge_tasks=_forge_tasks(core),
        settings=core.options.targets,
        deadline=core.options.deadline.total_seconds(),
        clock=ports.clock,
        journal=core.journal,
        wake=ports.wakeups.wake,
        on_destroyed=notifier.report_destroyed,
        attempts=facts.attempts,
        intents=facts.intents,
        guarded_destroys=facts.guarded_destroys,
        approvals=facts.approvals,
        repairs=facts.repairs,
        suites=facts.suites,
        target=ports.target,
        secrets=core.options.rules.secrets,
        is_leader=core.leadership.is_leader,
    )


def _forge_tasks(core: _Core) -> ForgeTasks:
    ports, facts = core.ports, core.facts
    return ForgeTasks(
        ForgeTaskDependencies(
            forge=ports.forge,
            find_images=ImageFinder(core.options.image_access, ports.registries, ports.forge, ports.clock).find,
            journal=core.journal,
            clock=ports.clock,
            wake=ports.wakeups.wake,
            refresh=lambda: ports.wakeups.wake(refresh=True),
            is_leader=core.leadership.is_leader,
            confirmed=facts.confirmed,
            image_lookups=facts.image_lookups,
            first_seen=facts.first_seen,
        )
    )


def _auditor(core: _Core, executor: PlanExecutor, remote: RemoteOperations) -> Auditor:
    ports, options = core.ports, core.options
    return Auditor(
        AuditDependencies(
            cycles=core.cycles,
            executor=executor,
            inventory=ports.create_inventory,
            stores=ports.stores,
            settings=options.targets,
            target=ports.target,
            leadership=core.leadership,
            remote_operations=remote,
        )
    )


def _service(core: _Core, executor: PlanExecutor, auditor: Auditor, suites: SuiteRunner) -> LocalControlPlane:
    ports, options = core.ports, core.options
    return LocalControlPlane(
        ControlPlaneDependencies(
            version=options.version,
            started_at=ports.clock(),
            auditor=auditor,
            suite_runner=suites,
            cycles=core.cycles,
            executor=executor,
            intents=core.facts.intents,
            approvals=core.facts.approvals,
            first_seen=core.facts.first_seen,
            journal=core.journal,
            wakeups=ports.wakeups,
            forge=ports.forge,
            ledger=ports.ledger,
            operations=ports.operations,
            target=ports.target,
            target_settings=options.targets,
            clock=ports.clock,
            leadership=core.leadership,
            redact=options.rules.secrets.redact,
        )
    )


def _commands(core: _Core, service: LocalControlPlane, notifier: Notifier) -> CommandListener:
    recipes = core.recipe_reader()
    actions = ChatActions(
        service, core.ports.forge, core.facts.intents, lambda home, pull: recipes.recipe_for(home, pull, "").labels
    )
    return CommandListener(
        CommandListenerDependencies(
            forge=core.ports.forge,
            handler=actions,
            journal=core.journal,
            clock=core.ports.clock,
            replies=core.replies,
            is_leader=core.leadership.is_leader,
            on_reply=notifier.notify,
        )
    )


def _term_dependencies(core: _Core, suites: SuiteRunner, listeners: tuple[TermListener, ...]) -> TermDependencies:
    return TermDependencies(
        leadership=core.leadership,
        journal=core.journal,
        facts=core.facts,
        operations=core.ports.operations,
        suites=suites,
        gateway=core.ports.gateway,
        address=core.options.address,
        listeners=listeners,
    )


def _sources(core: _Core, executor: PlanExecutor, monitor: HealthMonitor) -> ObserverSources:
    ports, options = core.ports, core.options
    targets = {name: (ports.target(name), settings) for name, settings in options.targets.items()}
    guarded = options.policy.trusted_authors_only
    return ObserverSources(
        forge=ForgeReader(ports.forge, core.recipe_reader(), guarded, ports.clock, options.max_refs),
        inventory=ports.inventory,
        targets={name: partial(target.list_environments, settings) for name, (target, settings) in targets.items()},
        health=monitor.statuses,
        operations=executor,
        headroom=ports.memory.headroom,
        live_parts={
            name: partial(target.live_resources, settings)
            for name, (target, settings) in targets.items()
            if isinstance(target, DetectsDrift)
        },
        traffic=ports.traffic.read,
    )
