"""Decides which operations may start: limits on environments and concurrent operations, as one fair queue.

Nothing is stored. The queue is computed each time from when people started waiting, so it survives a restart. An
existing environment is never evicted. Builds and removals share the slots, and neither can take all of them. A destroy
that frees capacity for a waiting environment goes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.costs import budgets
from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import RunningOperation
from orchestrator.core.planning.plan_actions import (
    Action,
    Create,
    Destroy,
    Purge,
    Retag,
    Sleep,
    Update,
    Wait,
    WaitingFor,
    Wake,
)
from orchestrator.core.planning.reason_codes import LimitCode
from stacks.model import OperationVerb, StackRef

BuildAction = Create | Update | Retag
RemovalAction = Destroy | Purge
SleepAction = Sleep | Wake


@dataclass(frozen=True, slots=True)
class _ReachedLimit:
    code: LimitCode
    reason: str


@dataclass(slots=True)
class _Capacity:
    """How many more environments may exist, in total and per repository. ``names``: of repositories, by id."""

    policy: Policy
    budgets: tuple[BudgetState, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    total: int = 0
    by_repository: Counter[int] = field(default_factory=Counter)

    def limit_reached(self, repository: int) -> _ReachedLimit | None:
        """None if there is capacity."""
        if self.total >= self.policy.max_environments:
            reason = wording.limits.server_full(self.total, self.policy.max_environments)
            return _ReachedLimit(LimitCode.ENVIRONMENTS, reason)
        held = self.by_repository[repository]
        if held >= self.policy.max_per_repository:
            reason = wording.limits.repository_full(held, self.policy.max_per_repository)
            return _ReachedLimit(LimitCode.REPOSITORY, reason)
        budget = budgets.worst(self.budgets, self.names.get(repository, ""))
        if budget is not None and budget.level is BudgetLevel.USED_UP:
            return _ReachedLimit(LimitCode.BUDGET, wording.costs.budget(budget))
        return None

    def reserve(self, repository: int) -> None:
        self.total += 1
        self.by_repository[repository] += 1


def admit(
    actions: Iterable[Action],
    environments: Mapping[StackRef, EnvironmentFacts],
    running: Iterable[RunningOperation],
    policy: Policy,
    now: datetime,
    budget_states: tuple[BudgetState, ...] = (),
) -> list[Action]:
    """Replace actions that may not start yet by a ``Wait`` with their position in the queue."""
    builds: list[BuildAction] = []
    removals: list[RemovalAction] = []
    sleeps: list[SleepAction] = []
    rest: list[Action] = []
    running = list(running)
    for action in actions:
        if isinstance(action, BuildAction):
            builds.append(action)
        elif isinstance(action, RemovalAction):
            removals.append(action)
        elif isinstance(action, SleepAction):
            sleeps.append(action)
        else:
            rest.append(action)
    rest.extend(_admit_sleep_actions(sleeps, environments, running, policy))
    if not builds and not removals:
        return rest
    builds.sort(key=lambda build: _build_priority(build, environments[build.ref], now))
    capacity = _used_capacity(environments.values(), policy, budget_states)
    ready, full = _count_ready(builds, environments, replace(capacity, by_repository=Counter(capacity.by_repository)))
    removals.sort(key=lambda removal: _removal_priority(removal, environments, full))
    for_builds, for_removals = _free_slots(_count_running(running), ready, len(removals), policy, now)
    return [
        *rest,
        *_admit_removals(removals, for_removals, environments, policy),
        *_admit_builds(builds, for_builds, environments, capacity),
    ]


def _build_priority(
    build: BuildAction, environment: EnvironmentFacts, now: datetime
) -> tuple[bool, datetime, StackRef]:
    """Longest waiting first, maintenance last. A retry counts from its failure."""
    built = environment.record.built if environment.record else None
    idle = isinstance(build, Update) and not build.refresh and built is not None and built.commit == environment.head
    since = environment.waiting_since or environment.first_seen_at or (environment.tag.seen if environment.tag else now)
    if environment.failure is not None and environment.failure.commit == environment.head:
        since = max(since, environment.failure.ended)
    return idle, since, environment.ref


def _used_capacity(
    environments: Collection[EnvironmentFacts], policy: Policy, budget_states: tuple[BudgetState, ...]
) -> _Capacity:
    """What exists or is being created."""
    names = {each.key.repository: each.repository_name for each in environments} if budget_states else {}
    capacity = _Capacity(policy, budget_states, names)
    for subject in environments:
        if subject.record is not None or (subject.running is not None and subject.running.verb is OperationVerb.UP):
            capacity.reserve(subject.key.repository)
    return capacity


def _count_ready(
    builds: Iterable[BuildAction], environments: Mapping[StackRef, EnvironmentFacts], capacity: _Capacity
) -> tuple[int, frozenset[int]]:
    """How many builds could start with unlimited slots, and the repositories with builds that wait for capacity."""
    ready, full = 0, set()
    for build in builds:
        repository = environments[build.ref].key.repository
        if isinstance(build, Create) and capacity.limit_reached(repository):
            full.add(repository)
            continue
        ready += 1
        if isinstance(build, Create):
            capacity.reserve(repository)
    return ready, frozenset(full)


def _removal_priority(
    removal: RemovalAction, environments: Mapping[StackRef, EnvironmentFacts], full_repositories: frozenset[int]
) -> tuple[int, str]:
    if isinstance(removal, Purge):
        return 2, f"{removal.target}:{removal.name}"
    return (0 if environments[removal.ref].key.repository in full_repositories else 1), str(removal.ref)


def _count_running(running: Iterable[RunningOperation]) -> tuple[int, int]:
    """The number of running builds and of running destroys."""
    verbs = [each.verb for each in running if each.verb not in (OperationVerb.SLEEP, OperationVerb.WAKE)]
    destroys = sum(verb is OperationVerb.DESTROY for verb in verbs)
    return len(verbs) - destroys, destroys


def _free_slots(running: tuple[int, int], builds: int, removals: int, policy: Policy, now: datetime) -> tuple[int, int]:
    """How many builds and removals may start. If both wait, removals get their share first, but no more.

    Removals alone still leave one slot free: destroys that hang must not block everything else.
    """
    free = max(0, policy.max_concurrent - sum(running))
    if policy.max_concurrent == 1 and builds and removals:  # one slot for both: they alternate by the minute
        return (free, 0) if now.minute % 2 else (0, free)
    most = max(1, policy.max_concurrent - 1)
    share = min(max(1, policy.concurrent_destroys), most) if builds else most
    for_removals = min(removals, max(0, share - running[1]), free)
    for_builds = min(builds, free - for_removals)
    spare = min(free - for_removals - for_builds, max(0, most - running[1] - for_removals))
    return for_builds, for_removals + min(spare, removals - for_removals)


def _admit_builds(
    builds: Iterable[BuildAction], slots: int, environments: Mapping[StackRef, EnvironmentFacts], capacity: _Capacity
) -> Iterable[Action]:
    position = 0
    for build in builds:
        subject = environments[build.ref]
        full = capacity.limit_reached(subject.key.repository) if isinstance(build, Create) else None
        if full is None and slots > 0:
            slots -= 1
            if isinstance(build, Create):
                capacity.reserve(subject.key.repository)
            yield build
            continue
        position += 1
        limit = full or _operation_limit(capacity.policy)
        reason = wording.limits.queued(build.reason, limit.reason, position)
        yield Wait(build.ref, subject.key, reason, position, waiting_for=WaitingFor.QUEUE, limit=limit.code)


def _operation_limit(policy: Policy) -> _ReachedLimit:
    code = LimitCode.MEMORY if policy.limited_by_memory else LimitCode.OPERATIONS
    return _ReachedLimit(code, wording.limits.operation_limit(policy.max_concurrent, policy.limited_by_memory))


def _admit_sleep_actions(
    actions: list[SleepAction],
    environments: Mapping[StackRef, EnvironmentFacts],
    running: Iterable[RunningOperation],
    policy: Policy,
) -> Iterable[Action]:
    """Sleep and wake have separate slots: a wake-up must not wait for builds."""
    free = max(
        0,
        policy.max_concurrent_sleeps - sum(each.verb in (OperationVerb.SLEEP, OperationVerb.WAKE) for each in running),
    )
    for action in sorted(actions, key=lambda each: (isinstance(each, Sleep), each.ref)):
        if free > 0:
            free -= 1
            yield action
            continue
        reason = wording.limits.sleep_queued(action.reason, policy.max_concurrent_sleeps)
        yield Wait(action.ref, environments[action.ref].key, reason, waiting_for=WaitingFor.QUEUE)


def _admit_removals(
    removals: list[RemovalAction], slots: int, environments: Mapping[StackRef, EnvironmentFacts], policy: Policy
) -> Iterable[Action]:
    yield from removals[:slots]
    for removal in removals[slots:]:
        if isinstance(removal, Destroy):
            reason = wording.limits.destroy_queued(removal.reason, policy.max_concurrent)
            yield Wait(removal.ref, environments[removal.ref].key, reason, waiting_for=WaitingFor.DESTROY)
