"""Who may start now: the limits on how many environments exist and how many operations run, as one fair queue.

Nothing is stored: the queue is worked out anew each time from when people began to wait, so it is the same after a
restart. What exists is never evicted. Making and cleaning share the slots, and each keeps some whatever the other
does. Destroys that make room for somebody who waits go first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

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
from orchestrator.core.util import formatting
from stacks.model import OperationVerb, StackRef

BuildAction = Create | Update | Retag
RemovalAction = Destroy | Purge
SleepAction = Sleep | Wake


@dataclass(slots=True)
class _Capacity:
    """How many more environments may exist, in all and for each repository."""

    policy: Policy
    total: int = 0
    by_repository: Counter[int] = field(default_factory=Counter)

    def limit_reached(self, repository: int) -> str:
        """The sentence for the limit that is reached; empty when there is room."""
        if self.total >= self.policy.max_environments:
            return f"the server has {self.total} environments; the limit is {self.policy.max_environments}"
        held = self.by_repository[repository]
        if held >= self.policy.max_per_repository:
            return f"the repository has {held} environments; the limit is {self.policy.max_per_repository}"
        return ""

    def reserve(self, repository: int) -> None:
        self.total += 1
        self.by_repository[repository] += 1


def admit(
    actions: Iterable[Action],
    environments: Mapping[StackRef, EnvironmentFacts],
    running: Iterable[RunningOperation],
    policy: Policy,
    now: datetime,
) -> list[Action]:
    """The same actions, of which those that may not start yet became a ``Wait`` with their place in the queue."""
    makes: list[BuildAction] = []
    cleans: list[RemovalAction] = []
    lights: list[SleepAction] = []
    rest: list[Action] = []
    running = list(running)
    for action in actions:
        if isinstance(action, BuildAction):
            makes.append(action)
        elif isinstance(action, RemovalAction):
            cleans.append(action)
        elif isinstance(action, SleepAction):
            lights.append(action)
        else:
            rest.append(action)
    rest.extend(_admit_sleep_actions(lights, environments, running, policy))
    if not makes and not cleans:
        return rest
    makes.sort(key=lambda make: _build_priority(make, environments[make.ref], now))
    rooms = _used_capacity(environments.values(), policy)
    ready, short = _count_ready(makes, environments, replace(rooms, by_repository=Counter(rooms.by_repository)))
    cleans.sort(key=lambda clean: _removal_priority(clean, environments, short))
    for_makes, for_cleans = _free_slots(_count_running(running), ready, len(cleans), policy, now)
    return [
        *rest,
        *_admit_removals(cleans, for_cleans, environments, policy),
        *_admit_builds(makes, for_makes, environments, rooms),
    ]


def _build_priority(
    build: BuildAction, environment: EnvironmentFacts, now: datetime
) -> tuple[bool, datetime, StackRef]:
    """Who waited longest comes first; housekeeping after everybody that people wait for; a retry from its failure."""
    built = environment.record.built if environment.record else None
    idle = isinstance(build, Update) and not build.refresh and built is not None and built.commit == environment.head
    since = environment.waiting_since or environment.first_seen_at or (environment.tag.seen if environment.tag else now)
    if environment.failure is not None and environment.failure.commit == environment.head:
        since = max(since, environment.failure.ended)
    return idle, since, environment.ref


def _used_capacity(environments: Iterable[EnvironmentFacts], policy: Policy) -> _Capacity:
    """What exists and what is being made."""
    rooms = _Capacity(policy)
    for subject in environments:
        if subject.record is not None or (subject.running is not None and subject.running.verb is OperationVerb.UP):
            rooms.reserve(subject.key.repository)
    return rooms


def _count_ready(
    builds: Iterable[BuildAction], environments: Mapping[StackRef, EnvironmentFacts], capacity: _Capacity
) -> tuple[int, frozenset[int]]:
    """How many could start if there were slots enough, and the repositories of which somebody waits for room."""
    ready, short = 0, set()
    for make in builds:
        repository = environments[make.ref].key.repository
        if isinstance(make, Create) and capacity.limit_reached(repository):
            short.add(repository)
            continue
        ready += 1
        if isinstance(make, Create):
            capacity.reserve(repository)
    return ready, frozenset(short)


def _removal_priority(
    removal: RemovalAction, environments: Mapping[StackRef, EnvironmentFacts], full_repositories: frozenset[int]
) -> tuple[int, str]:
    if isinstance(removal, Purge):
        return 2, f"{removal.target}:{removal.name}"
    return (0 if environments[removal.ref].key.repository in full_repositories else 1), str(removal.ref)


def _count_running(running: Iterable[RunningOperation]) -> tuple[int, int]:
    """Makes and destroys under way."""
    verbs = [each.verb for each in running if each.verb not in (OperationVerb.SLEEP, OperationVerb.WAKE)]
    destroys = sum(verb is OperationVerb.DESTROY for verb in verbs)
    return len(verbs) - destroys, destroys


def _free_slots(running: tuple[int, int], builds: int, removals: int, policy: Policy, now: datetime) -> tuple[int, int]:
    """How many makes and cleans may start. When both wait, cleaning gets its share first, and no more than that.

    Cleans alone still leave one slot: destroys that hang must not keep everybody else from being served.
    """
    free = max(0, policy.max_concurrent - sum(running))
    if policy.max_concurrent == 1 and builds and removals:  # one slot for both: they take turns by the minute
        return (free, 0) if now.minute % 2 else (0, free)
    most = max(1, policy.max_concurrent - 1)
    share = min(max(1, policy.concurrent_destroys), most) if builds else most
    for_cleans = min(removals, max(0, share - running[1]), free)
    for_makes = min(builds, free - for_cleans)
    spare = min(free - for_cleans - for_makes, max(0, most - running[1] - for_cleans))
    return for_makes, for_cleans + min(spare, removals - for_cleans)


def _describe_limit(number: int) -> str:
    return f"at most {formatting.count(number, 'operation')} at a time"


def _admit_builds(
    builds: Iterable[BuildAction], slots: int, environments: Mapping[StackRef, EnvironmentFacts], capacity: _Capacity
) -> Iterable[Action]:
    position = 0
    for make in builds:
        subject = environments[make.ref]
        full = capacity.limit_reached(subject.key.repository) if isinstance(make, Create) else ""
        if not full and slots > 0:
            slots -= 1
            if isinstance(make, Create):
                capacity.reserve(subject.key.repository)
            yield make
            continue
        position += 1
        why = full or f"{capacity.policy.limit_reason}{_describe_limit(capacity.policy.max_concurrent)}"
        reason = f"{make.reason}; {why}; position {position} in the queue"
        yield Wait(make.ref, subject.key, reason, position, waiting_for=WaitingFor.QUEUE)


def _admit_sleep_actions(
    actions: list[SleepAction],
    environments: Mapping[StackRef, EnvironmentFacts],
    running: Iterable[RunningOperation],
    policy: Policy,
) -> Iterable[Action]:
    """They have slots of their own: whoever waits for an environment to wake must not wait for others to be made."""
    free = max(
        0,
        policy.max_concurrent_sleeps - sum(each.verb in (OperationVerb.SLEEP, OperationVerb.WAKE) for each in running),
    )
    for light in sorted(actions, key=lambda each: (isinstance(each, Sleep), each.ref)):
        if free > 0:
            free -= 1
            yield light
            continue
        reason = f"{light.reason}; at most {policy.max_concurrent_sleeps} go to sleep or wake up at a time"
        yield Wait(light.ref, environments[light.ref].key, reason, waiting_for=WaitingFor.QUEUE)


def _admit_removals(
    removals: list[RemovalAction], slots: int, environments: Mapping[StackRef, EnvironmentFacts], policy: Policy
) -> Iterable[Action]:
    yield from removals[:slots]
    for clean in removals[slots:]:
        if isinstance(clean, Destroy):
            reason = f"{clean.reason}; waiting for one of {policy.max_concurrent} operations to finish"
            yield Wait(clean.ref, environments[clean.ref].key, reason, waiting_for=WaitingFor.DESTROY)
