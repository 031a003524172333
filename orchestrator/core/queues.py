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

from orchestrator.core import reasons
from orchestrator.core.actions import Action, Because, Create, Destroy, Purge, Retag, Sleep, Update, Wait, Wake
from orchestrator.core.model import Running
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from stacks.model import StackRef, Verb

Make = Create | Update | Retag
Clean = Destroy | Purge
Light = Sleep | Wake


@dataclass(slots=True)
class _Rooms:
    """How many more environments may exist, in all and for each repository."""

    policy: Policy
    all: int = 0
    by_repository: Counter[int] = field(default_factory=Counter)

    def full(self, repository: int) -> str:
        """The sentence for the limit that is reached; empty when there is room."""
        if self.all >= self.policy.max_environments:
            return f"the server holds {self.all} environments, and at most {self.policy.max_environments}"
        held = self.by_repository[repository]
        if held >= self.policy.max_per_repository:
            return f"the repository has {held} environments, and at most {self.policy.max_per_repository}"
        return ""

    def take(self, repository: int) -> None:
        self.all += 1
        self.by_repository[repository] += 1


def admit(
    actions: Iterable[Action],
    subjects: Mapping[StackRef, Subject],
    running: Iterable[Running],
    policy: Policy,
    now: datetime,
) -> list[Action]:
    """The same actions, of which those that may not start yet became a ``Wait`` with their place in the queue."""
    makes: list[Make] = []
    cleans: list[Clean] = []
    lights: list[Light] = []
    rest: list[Action] = []
    running = list(running)
    for action in actions:
        if isinstance(action, Make):
            makes.append(action)
        elif isinstance(action, Clean):
            cleans.append(action)
        elif isinstance(action, Light):
            lights.append(action)
        else:
            rest.append(action)
    rest.extend(_admit_lights(lights, subjects, running, policy))
    if not makes and not cleans:
        return rest
    makes.sort(key=lambda make: _turn(make, subjects[make.ref], now))
    rooms = _rooms(subjects.values(), policy)
    ready, short = _fitting(makes, subjects, replace(rooms, by_repository=Counter(rooms.by_repository)))
    cleans.sort(key=lambda clean: _urgency(clean, subjects, short))
    for_makes, for_cleans = _slots(_running(running), ready, len(cleans), policy, now)
    return [
        *rest,
        *_admit_cleans(cleans, for_cleans, subjects, policy),
        *_admit_makes(makes, for_makes, subjects, rooms),
    ]


def _turn(make: Make, subject: Subject, now: datetime) -> tuple[bool, datetime, StackRef]:
    """Who waited longest comes first; housekeeping after everybody that people wait for; a retry from its failure."""
    built = subject.record.built if subject.record else None
    idle = isinstance(make, Update) and not make.refresh and built is not None and built.commit == subject.head
    since = subject.behind_since or subject.seen or (subject.tag.seen if subject.tag else now)
    if subject.failure is not None and subject.failure.commit == subject.head:
        since = max(since, subject.failure.ended)
    return idle, since, subject.ref


def _rooms(subjects: Iterable[Subject], policy: Policy) -> _Rooms:
    """What exists and what is being made."""
    rooms = _Rooms(policy)
    for subject in subjects:
        if subject.record is not None or (subject.running is not None and subject.running.verb is Verb.UP):
            rooms.take(subject.key.repository)
    return rooms


def _fitting(makes: Iterable[Make], subjects: Mapping[StackRef, Subject], rooms: _Rooms) -> tuple[int, frozenset[int]]:
    """How many could start if there were slots enough, and the repositories of which somebody waits for room."""
    ready, short = 0, set()
    for make in makes:
        repository = subjects[make.ref].key.repository
        if isinstance(make, Create) and rooms.full(repository):
            short.add(repository)
            continue
        ready += 1
        if isinstance(make, Create):
            rooms.take(repository)
    return ready, frozenset(short)


def _urgency(clean: Clean, subjects: Mapping[StackRef, Subject], short: frozenset[int]) -> tuple[int, str]:
    if isinstance(clean, Purge):
        return 2, f"{clean.target}:{clean.name}"
    return (0 if subjects[clean.ref].key.repository in short else 1), str(clean.ref)


def _running(running: Iterable[Running]) -> tuple[int, int]:
    """Makes and destroys under way."""
    verbs = [each.verb for each in running if each.verb not in (Verb.SLEEP, Verb.WAKE)]
    destroys = sum(verb is Verb.DESTROY for verb in verbs)
    return len(verbs) - destroys, destroys


def _slots(running: tuple[int, int], makes: int, cleans: int, policy: Policy, now: datetime) -> tuple[int, int]:
    """How many makes and cleans may start. When both wait, cleaning gets its share first, and no more than that.

    Cleans alone still leave one slot: destroys that hang must not keep everybody else from being served.
    """
    free = max(0, policy.max_concurrent - sum(running))
    if policy.max_concurrent == 1 and makes and cleans:  # one slot for both: they take turns by the minute
        return (free, 0) if now.minute % 2 else (0, free)
    most = max(1, policy.max_concurrent - 1)
    share = min(max(1, policy.concurrent_destroys), most) if makes else most
    for_cleans = min(cleans, max(0, share - running[1]), free)
    for_makes = min(makes, free - for_cleans)
    spare = min(free - for_cleans - for_makes, max(0, most - running[1] - for_cleans))
    return for_makes, for_cleans + min(spare, cleans - for_cleans)


def _operations(number: int) -> str:
    return "1 operation runs" if number == 1 else f"{number} operations run"


def _admit_makes(
    makes: Iterable[Make], slots: int, subjects: Mapping[StackRef, Subject], rooms: _Rooms
) -> Iterable[Action]:
    position = 0
    for make in makes:
        subject = subjects[make.ref]
        full = rooms.full(subject.key.repository) if isinstance(make, Create) else ""
        if not full and slots > 0:
            slots -= 1
            if isinstance(make, Create):
                rooms.take(subject.key.repository)
            yield make
            continue
        position += 1
        why = full or f"{rooms.policy.crowded}{_operations(rooms.policy.max_concurrent)} at once, and no more"
        reason = f"{make.reason}; {why}; {reasons.ordinal(position)} in the queue"
        yield Wait(make.ref, subject.key, reason, position, because=Because.QUEUE)


def _admit_lights(
    lights: list[Light], subjects: Mapping[StackRef, Subject], running: Iterable[Running], policy: Policy
) -> Iterable[Action]:
    """They have slots of their own: whoever waits for an environment to wake must not wait for others to be made."""
    free = max(0, policy.light_most - sum(each.verb in (Verb.SLEEP, Verb.WAKE) for each in running))
    for light in sorted(lights, key=lambda each: (isinstance(each, Sleep), each.ref)):
        if free > 0:
            free -= 1
            yield light
            continue
        reason = f"{light.reason}; {policy.light_most} fall asleep or wake up at once, and no more"
        yield Wait(light.ref, subjects[light.ref].key, reason, because=Because.QUEUE)


def _admit_cleans(
    cleans: list[Clean], slots: int, subjects: Mapping[StackRef, Subject], policy: Policy
) -> Iterable[Action]:
    yield from cleans[:slots]
    for clean in cleans[slots:]:
        if isinstance(clean, Destroy):
            reason = f"{clean.reason}; destroyed as soon as one of {policy.max_concurrent} operations ended"
            yield Wait(clean.ref, subjects[clean.ref].key, reason, because=Because.DESTROY)
