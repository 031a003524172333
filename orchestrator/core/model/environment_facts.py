"""All facts about one environment: about its stack and its pull request.

A stack belongs to the pull request that its name encodes, so a renamed repository keeps its stacks. A stack with any
other name isn't ours and is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.costs.spending import NO_COST, CostSoFar
from orchestrator.core.model import joins
from orchestrator.core.model.image_lookup import ImageLookup
from orchestrator.core.model.joins import Join
from orchestrator.core.model.variables import NO_OVERRIDES, VariableOverrides, with_overrides
from orchestrator.core.model.world import (
    CompletedRepair,
    EnvironmentRequest,
    HealthStatus,
    Intent,
    IntentKind,
    Recipe,
    RepositoryFacts,
    RunningOperation,
    TrafficSnapshot,
    Usage,
    World,
)
from orchestrator.core.planning import drift_detection
from orchestrator.core.planning.drift_detection import Drift
from orchestrator.core.util import formatting
from programs.costs import CostEstimate
from programs.inventory import UNUSED_DATABASES
from stacks import names
from stacks.model import Key, OperationResult, RefKind, StackRecord, StackRef, StackTag


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """``first_seen_at`` is of the head commit. ``duplicate_of`` is another stack of the same pull request."""

    ref: StackRef
    key: Key
    join: Join
    health: HealthStatus | None = None
    failure: OperationResult | None = None
    failed_attempts: int = 0
    first_seen_at: datetime | None = None
    waiting_since: datetime | None = None
    intents: tuple[Intent, ...] = ()
    duplicate_of: StackRef | None = None
    drift: tuple[Drift, ...] = ()
    """Resources in its state that are missing or changed on its target."""
    unused_databases: tuple[tuple[str, str], ...] = ()
    """The names and variables of databases that no service connects to."""
    last_repair: CompletedRepair | None = None
    usage: Usage | None = None
    is_testing: bool = False
    """One of its test suites is running."""
    image_lookup: ImageLookup | None = None
    """The last lookup of its images, for any commit."""
    estimate: CostEstimate | None = None
    """What the newest commit's environment costs. None: its target has no prices, or it couldn't be estimated."""
    cost_so_far: CostSoFar = NO_COST
    variables: VariableOverrides = NO_OVERRIDES
    """Set by people. The request's recipe already contains them."""

    @property
    def record(self) -> StackRecord | None:
        return self.join.record

    @property
    def request(self) -> EnvironmentRequest | None:
        return self.join.request

    @property
    def repository(self) -> RepositoryFacts | None:
        return self.join.repository

    @property
    def running(self) -> RunningOperation | None:
        return self.join.running

    @property
    def tag(self) -> StackTag | None:
        return self.record.tag if self.record else None

    @property
    def head(self) -> str:
        return self.request.commit if self.request else ""

    @property
    def name(self) -> str:
        """The environment's name; empty if neither stack, recipe nor operation contains it."""
        if self.record is not None and self.record.name:
            return self.record.name
        recipe = self.request.recipe if self.request else None
        if isinstance(recipe, Recipe):
            return recipe.spec.name
        return self.running.name if self.running else ""

    @property
    def has_foreign_tag(self) -> bool:
        """Its tag belongs to another pull request, so nothing in the tag can be trusted."""
        return self.tag is not None and self.tag.key != self.key

    @property
    def repository_name(self) -> str:
        tag = self.tag
        name = self.repository.full_name if self.repository else (tag.repository_name if tag else "")
        return name or f"repository {self.key.repository}"

    @property
    def ref_name(self) -> str:
        """The name of a branch or tag; only its beginning if it comes from the stack's tag."""
        if self.key.kind is RefKind.PULL:
            return ""
        return self.request.ref if self.request else self.tag.ref_name if self.tag else ""

    @property
    def title(self) -> str:
        """``acme/shop#42``, as people call it; of a branch or a tag ``acme/shop@main``."""
        return formatting.reference(self.repository_name, self.key, self.ref_name)

    def latest_intent(self, kind: IntentKind) -> Intent | None:
        """The newest request of that kind."""
        if not self.intents:
            return None
        return max((intent for intent in self.intents if intent.kind == kind), key=lambda i: i.at, default=None)


def collect(world: World) -> list[EnvironmentFacts]:
    """Every environment with a stack, a request or a running operation, once, in stable order."""
    known = _known_refs(world)
    intents = _intents_by_stack(world.intents)
    subjects = []
    for key, refs in known.items():
        main = _main_stack(refs, world.stacks.stacks)
        subjects.append(_collect_one(world, key, main, intents))
        subjects += [
            replace(_collect_one(world, key, ref, intents), duplicate_of=main) for ref in sorted(refs) if ref != main
        ]
    return subjects


def _known_refs(world: World) -> dict[Key, list[StackRef]]:
    """The stacks of each pull request that exist or are being created, otherwise the one to create."""
    known: dict[Key, list[StackRef]] = {}
    for ref in dict.fromkeys((*world.stacks.stacks, *world.running)):
        key = names.parse(ref)
        if key is not None:
            known.setdefault(key, []).append(ref)
    for repository in world.repositories.values():
        for key in repository.requests:
            if key not in known:
                known[key] = [names.stack_ref(key, repository.full_name)]
    return known


def _main_stack(refs: list[StackRef], records: Mapping[StackRef, StackRecord]) -> StackRef:
    """Of several stacks for one pull request, the one that was built first, which people use."""
    if len(refs) == 1:
        return refs[0]

    def rank(ref: StackRef) -> tuple[bool, bool, float, StackRef]:
        record = records.get(ref)
        built = record.built if record else None
        return built is None, record is None, built.built_at.timestamp() if built else 0.0, ref

    return min(refs, key=rank)


def _intents_by_stack(intents: Iterable[Intent]) -> dict[StackRef, tuple[Intent, ...]]:
    found: dict[StackRef, tuple[Intent, ...]] = {}
    for intent in intents:
        found[intent.ref] = (*found.get(intent.ref, ()), intent)
    return found


def _collect_one(
    world: World, key: Key, ref: StackRef, intents: Mapping[StackRef, tuple[Intent, ...]]
) -> EnvironmentFacts:
    repository = world.repositories.get(key.repository)
    variables = world.variables.get(ref, NO_OVERRIDES)
    candidate = _with_variables(repository.requests.get(key) if repository else None, variables)
    commit, seen = world.first_seen.get(key, ("", None))
    record = world.stacks.stacks.get(ref)
    return EnvironmentFacts(
        ref=ref,
        key=key,
        join=joins.join(repository, candidate, record, world.running.get(ref)),
        health=world.health.get(ref),
        failure=world.failures.get(ref),
        failed_attempts=world.failed_attempts.get(ref, 0),
        first_seen_at=seen if candidate and candidate.commit == commit else None,
        waiting_since=world.waiting_since.get(key),
        intents=intents.get(ref, ()),
        drift=drift_detection.detect(record, world.live_parts.get(record.target, {})) if record else (),
        unused_databases=_unused_databases(record, world.live_parts.get(record.target, {})) if record else (),
        last_repair=world.completed_repairs.get(ref),
        usage=_usage(record, world.traffic),
        is_testing=any(run.ref == ref for run in world.suite_runs.running),
        image_lookup=world.image_lookups.get(key),
        estimate=world.estimates.get(key),
        cost_so_far=world.spending.by_stack.get(ref, NO_COST),
        variables=variables,
    )


def _with_variables(request: EnvironmentRequest | None, variables: VariableOverrides) -> EnvironmentRequest | None:
    if request is None or not isinstance(request.recipe, Recipe):
        return request
    spec = with_overrides(request.recipe.spec, variables)
    if spec is request.recipe.spec:
        return request
    return replace(request, recipe=replace(request.recipe, spec=spec, digest=spec.digest))


def _unused_databases(record: StackRecord, parts: Mapping[str, frozenset[str]]) -> tuple[tuple[str, str], ...]:
    found = (item.split("/") for item in parts.get(UNUSED_DATABASES, ()))
    return tuple(sorted((name, variable) for environment, name, variable in found if environment == record.name))


def _usage(record: StackRecord | None, traffic: TrafficSnapshot | None) -> Usage | None:
    built = record.built if record else None
    if traffic is None or built is None:
        return None
    hosts = [host for url in (built.url, *built.urls.values()) if (host := host_of(url))]
    used = [traffic.last_requests[host] for host in hosts if host in traffic.last_requests]
    visits = [traffic.wake_requests[host] for host in hosts if host in traffic.wake_requests]
    return Usage(max(used), traffic.observed_until, max(visits, default=None)) if used else None


def host_of(url: str) -> str:
    """The host name of a URL, without its port."""
    host = url.partition("://")[2].partition("/")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
