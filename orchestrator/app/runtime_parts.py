"""The parts of a System in the room ``runtime``: what observes, plans and executes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from orchestrator.app.ports import Options, Ports
from orchestrator.ledger.observed_ledger import ObservedLedger
from orchestrator.runtime.costs.cost_accounts import CostAccounts
from orchestrator.runtime.costs.cost_estimator import CostEstimator
from orchestrator.runtime.costs.price_catalog import PriceCatalog
from orchestrator.runtime.cycles import CycleListener, Cycles
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.loop import Loop, LoopDependencies
from orchestrator.runtime.observation.forge_reader import ForgeReader
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.observation.image_finder import ImageFinder
from orchestrator.runtime.observation.meter import Meter
from orchestrator.runtime.observation.observer import Observer, ObserverSources
from orchestrator.runtime.operations.executor import PlanExecutor, PlanExecutorDependencies
from orchestrator.runtime.operations.forge_tasks import ForgeTaskDependencies, ForgeTasks
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.operations.remote_operations import RemoteOperations
from orchestrator.runtime.suites.suite_runner import SuiteRunner, SuiteRunnerDependencies
from orchestrator.runtime.terms import TermDependencies, TermListener, Terms
from orchestrator.service.changes.pull_request_labels import TriggerLabels
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.factory import SourceContext
from orchestrator.sources.port import Source
from orchestrator.sources.pull_requests import recipe_query
from orchestrator.sources.recipe_reader import RecipeReader
from orchestrator.sources.uploaded_commits import NO_UPLOADS
from programs.registry import DetectsDrift
from stacks.model import Operation

OnDestroyed = Callable[[Operation, str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What most parts depend on."""

    ports: Ports
    options: Options
    facts: LoopFacts
    cycles: Cycles
    meter: Meter
    journal: Journal
    leadership: Leadership
    remote_operations: RemoteOperations
    commits: CommitFacts
    sources: tuple[Source, ...]
    prices: PriceCatalog
    costs: CostAccounts

    @staticmethod
    def create(ports: Ports, options: Options) -> SharedParts:
        meter, leadership = Meter(), Leadership(ports.lease, ports.wakeups)
        journal = Journal(ObservedLedger(ports.ledger, (meter.on_event,)), ports.clock)
        remote = RemoteOperations(leadership, ports.operations, journal, ports.wakeups)
        facts = LoopFacts()
        context = _source_context(ports, options, facts)
        return SharedParts(
            ports,
            options,
            facts,
            Cycles(),
            meter,
            journal,
            leadership,
            remote,
            context.commits,
            tuple(ports.sources(context)),
            PriceCatalog(ports.target, options.targets, options.prices, options.prices_folder),
            CostAccounts(ports.costs, ports.clock, meter.on_cost),
        )


def recipe_reader(ports: Ports, options: Options) -> RecipeReader:
    """A reader is for one caller at a time, so each caller gets its own."""
    return RecipeReader(ports.forge, options.rules, ports.clock, uploads=ports.uploads or NO_UPLOADS)


def trigger_labels(shared: SharedParts) -> TriggerLabels:
    recipes = recipe_reader(shared.ports, shared.options)
    return lambda repository, pull: recipes.recipe_for(repository, recipe_query(pull), "").labels


def _source_context(ports: Ports, options: Options, facts: LoopFacts) -> SourceContext:
    return SourceContext(
        forge=ports.forge,
        recipes=recipe_reader(ports, options),
        commits=CommitFacts(ports.forge, ports.clock),
        guarded_targets=options.policy.trusted_authors_only,
        max_refs=options.max_refs,
        deploys=facts.deploys.requests,
    )


def create_suite_runner(shared: SharedParts) -> SuiteRunner:
    return SuiteRunner(
        SuiteRunnerDependencies(
            records=shared.options.records,
            history=shared.facts.suites,
            journal=shared.journal,
            clock=shared.ports.clock,
            wake=partial(shared.ports.wakeups.wake, targets=False),
            token=shared.options.suite_token,
            slots=shared.options.suite_slots,
            is_leader=shared.leadership.is_leader,
            target=shared.ports.target,
            secrets=shared.options.rules.secrets.values,
        )
    )


def create_executor(shared: SharedParts, on_destroyed: OnDestroyed) -> PlanExecutor:
    ports, facts = shared.ports, shared.facts
    dependencies = PlanExecutorDependencies(
        operations=ports.operations,
        forge_tasks=_forge_tasks(shared),
        settings=shared.options.targets,
        deadline=shared.options.deadline.total_seconds(),
        clock=ports.clock,
        journal=shared.journal,
        wake=ports.wakeups.wake,
        on_destroyed=on_destroyed,
        attempts=facts.attempts,
        intents=facts.intents,
        deploys=facts.deploys,
        refresh=lambda: ports.wakeups.wake(refresh=True),
        guarded_destroys=facts.guarded_destroys,
        approvals=facts.approvals,
        repairs=facts.repairs,
        suites=facts.suites,
        target=ports.target,
        secrets=shared.options.rules.secrets,
        is_leader=shared.leadership.is_leader,
        is_paused=lambda: ports.pause.current() is not None,
    )
    return PlanExecutor(dependencies)


def _forge_tasks(shared: SharedParts) -> ForgeTasks:
    ports, facts = shared.ports, shared.facts
    return ForgeTasks(
        ForgeTaskDependencies(
            forge=ports.forge,
            sources=shared.sources,
            find_images=ImageFinder(shared.options.image_access, ports.registries, ports.forge, ports.clock).find,
            journal=shared.journal,
            clock=ports.clock,
            wake=partial(ports.wakeups.wake, targets=False),
            refresh=lambda: ports.wakeups.wake(refresh=True),
            is_leader=shared.leadership.is_leader,
            confirmed=facts.confirmed,
            image_lookups=facts.image_lookups,
            first_seen=facts.first_seen,
        )
    )


def create_terms(shared: SharedParts, suites: SuiteRunner, listeners: Sequence[TermListener]) -> Terms:
    dependencies = TermDependencies(
        leadership=shared.leadership,
        journal=shared.journal,
        facts=shared.facts,
        operations=shared.ports.operations,
        suites=suites,
        gateway=shared.ports.gateway,
        address=shared.options.address,
        listeners=listeners,
    )
    return Terms(dependencies)


def create_loop(
    shared: SharedParts,
    executor: PlanExecutor,
    monitor: HealthMonitor,
    terms: Terms,
    listeners: Sequence[CycleListener],
) -> Loop:
    ports, options = shared.ports, shared.options
    dependencies = LoopDependencies(
        observer=Observer(_sources(shared, executor, monitor), shared.facts),
        executor=executor,
        monitor=monitor,
        journal=shared.journal,
        wakeups=ports.wakeups,
        leadership=shared.leadership,
        terms=terms,
        remote_operations=shared.remote_operations,
        cycles=shared.cycles,
        listeners=(*ports.listeners, *listeners),
    )
    return Loop(dependencies, options.policy, ports.clock, options.interval)


def _sources(shared: SharedParts, executor: PlanExecutor, monitor: HealthMonitor) -> ObserverSources:
    ports, options = shared.ports, shared.options
    targets = {name: (ports.target(name), settings) for name, settings in options.targets.items()}
    return ObserverSources(
        forge=ForgeReader(ports.forge, shared.sources, shared.commits),
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
        estimates=CostEstimator(ports.target, options.targets, shared.prices).estimates,
        spending=shared.costs.spending,
        variables=options.rules.secrets.variables.read_all,
        pause=ports.pause.current,
    )
