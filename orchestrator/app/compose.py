"""The one composition of Eph: ``compose()`` creates every part and passes each what it depends on.

``ephd``, the stories, the model and the benchmarks all call it; they differ in their ports. Nothing runs before
``System.start``.
"""

from __future__ import annotations

from orchestrator.app import runtime_parts
from orchestrator.app.ports import Options, Ports
from orchestrator.app.runtime_parts import SharedParts
from orchestrator.app.system import System
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.server.target_keeper import TargetKeeper
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.service.changes.build_caches import BuildCaches
from orchestrator.service.changes.label_requests import LabelRequests
from orchestrator.service.chat.actions import ChatActions
from orchestrator.service.chat.command_listener import ChatDependencies, CommandListener
from orchestrator.service.chat.replies import ChatReplies
from orchestrator.service.control_plane_dependencies import ControlPlaneDependencies
from orchestrator.service.deploys.label_deploy_service import LabelDeployDependencies, LabelDeployService
from orchestrator.service.deploys.working_copies import WorkingCopies
from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.service.exec.exec_sessions import ExecSessions
from orchestrator.service.expiry_sync import ExpirySync
from orchestrator.service.output.published_output import PublishedOutput
from orchestrator.service.reports.auditor import AuditDependencies, Auditor
from orchestrator.service.reports.cost_reporter import CostReporter
from orchestrator.service.reports.notifier import Notifier, NotifierDependencies
from orchestrator.surfaces.reports import problem_comment
from orchestrator.surfaces.reports.reporter import Reporter


def compose(ports: Ports, options: Options) -> System:
    shared, replies = SharedParts.create(ports, options), ChatReplies()
    suites, notifier = runtime_parts.create_suite_runner(shared), _notifier(shared, replies)
    expiry = ExpirySync(options.targets, shared.leadership.is_leader, ports.target)
    executor = runtime_parts.create_executor(shared, notifier.report_destroyed)
    monitor = HealthMonitor(ports.probe, ports.clock, ports.wakeups.wake_for_health, ports.sleep)
    auditor = _auditor(shared, executor)
    copies = _working_copies(shared)
    service = _service(shared, executor, auditor, suites, _label_deploys(shared, copies))
    chat, costs = _chat(shared, replies, notifier), shared.costs
    commands, labels = CommandListener(chat, _chat_actions(shared, service)), LabelRequests(chat, service)
    terms = runtime_parts.create_terms(shared, suites, (notifier, expiry, commands, shared.meter, shared.prices, costs))
    per_cycle = (shared.meter, costs, notifier, suites, expiry, commands, labels, copies)
    loop = runtime_parts.create_loop(shared, executor, monitor, terms, [part.on_cycle for part in per_cycle])
    return System(
        ports=ports,
        options=options,
        facts=shared.facts,
        meter=shared.meter,
        journal=shared.journal,
        cycles=shared.cycles,
        leadership=shared.leadership,
        terms=terms,
        suites=suites,
        notifier=notifier,
        output=_output(shared, executor),
        executor=executor,
        monitor=monitor,
        auditor=auditor,
        service=service,
        commands=commands,
        labels=labels,
        costs=costs,
        targets=TargetKeeper(
            options.targets, ports.target, shared.journal, options.rules.secrets.problems, ports.clock
        ),
        loop=loop,
    )


def _working_copies(shared: SharedParts) -> WorkingCopies:
    ports = shared.ports
    return WorkingCopies(ports.uploads, shared.cycles, shared.facts.deploys, ports.clock, shared.leadership.is_leader)


def _notifier(shared: SharedParts, replies: ChatReplies) -> Notifier:
    return Notifier(
        NotifierDependencies(
            create_reporter=lambda: Reporter(shared.ports.forge, shared.ports.clock, shared.leadership.is_leader),
            journal=shared.journal,
            pending_reports=shared.ports.pending_reports,
            replies=replies,
            is_leader=shared.leadership.is_leader,
            forget_record=shared.ports.operations.forget,
        )
    )


def _output(shared: SharedParts, executor: PlanExecutor) -> PublishedOutput:
    return PublishedOutput(
        path=shared.options.output_file,
        running=lambda: executor.running,
        read_steps=shared.ports.operations.steps,
        redact=shared.options.rules.secrets.redact,
    )


def _auditor(shared: SharedParts, executor: PlanExecutor) -> Auditor:
    ports, options = shared.ports, shared.options
    return Auditor(
        AuditDependencies(
            cycles=shared.cycles,
            executor=executor,
            inventory=ports.create_inventory,
            stores=ports.stores,
            settings=options.targets,
            target=ports.target,
            leadership=shared.leadership,
            remote_operations=shared.remote_operations,
            prices=shared.prices,
        )
    )


def _service(
    shared: SharedParts,
    executor: PlanExecutor,
    auditor: Auditor,
    suites: SuiteRunner,
    label_deploys: LabelDeployService,
) -> LocalControlPlane:
    ports, options = shared.ports, shared.options
    return LocalControlPlane(
        ControlPlaneDependencies(
            version=options.version,
            started_at=ports.clock(),
            auditor=auditor,
            label_deploys=label_deploys,
            exec_sessions=ExecSessions(options.rules.secrets.redact, options.exec_timeout.total_seconds()),
            suite_runner=suites,
            cycles=shared.cycles,
            executor=executor,
            intents=shared.facts.intents,
            approvals=shared.facts.approvals,
            journal=shared.journal,
            wakeups=ports.wakeups,
            forge=ports.forge,
            ledger=ports.ledger,
            operations=ports.operations,
            target=ports.target,
            target_settings=options.targets,
            clock=ports.clock,
            leadership=shared.leadership,
            variables=options.rules.secrets.variables,
            render_problem=problem_comment.render,
            trigger_labels=runtime_parts.trigger_labels(shared),
            redact=options.rules.secrets.redact,
            pause=ports.pause,
            build_caches=BuildCaches(shared.cycles, ports.target, options.targets, shared.journal),
            costs=CostReporter(shared.cycles, shared.costs, shared.prices, shared.journal, ports.clock),
        )
    )


def _label_deploys(shared: SharedParts, copies: WorkingCopies) -> LabelDeployService:
    ports, options = shared.ports, shared.options
    rules = options.rules
    return LabelDeployService(
        LabelDeployDependencies(
            forge=ports.forge,
            recipes=runtime_parts.recipe_reader(ports, options),
            cycles=shared.cycles,
            pending=shared.facts.deploys,
            limits=options.deploys,
            reserved_hosts=frozenset({rules.domain, *rules.bounds.domains, *rules.bounds.app_routes}),
            clock=ports.clock,
            journal=shared.journal,
            wakeups=ports.wakeups,
            working_copies=copies,
        )
    )


def _chat_actions(shared: SharedParts, service: LocalControlPlane) -> ChatActions:
    return ChatActions(service, shared.ports.forge, shared.facts.intents)


def _chat(shared: SharedParts, replies: ChatReplies, notifier: Notifier) -> ChatDependencies:
    return ChatDependencies(
        forge=shared.ports.forge,
        journal=shared.journal,
        clock=shared.ports.clock,
        replies=replies,
        is_leader=shared.leadership.is_leader,
        on_reply=notifier.notify,
    )
