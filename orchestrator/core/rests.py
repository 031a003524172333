"""Whether an environment should sleep, and why: what people asked, the gateway's word on who used it, office hours.

Idle is what the gateway sees. It is counted up to the moment until which the gateway is known to have watched, never up
to now: while nobody watches, nothing becomes idle. An environment whose hosts the gateway does not name is reached by
another way, and never idle. So a lost record of traffic can make something sleep late, and never early.

Asleep is a fact in the tag. Whatever wakes must be newer than it: a request, a person's word, the start of the hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core import expiries, hours, reasons
from orchestrator.core.hours import Hours
from orchestrator.core.model import Intent, Recipe
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject


@dataclass(frozen=True, slots=True)
class Rest:
    """``until``: of what is woken, how long it stays awake at least."""

    asleep: bool
    reason: str
    until: datetime | None = None


def wanted(subject: Subject, policy: Policy, now: datetime) -> Rest | None:
    """A change of what the tag says, or what was begun and not ended; None: it may stay as it is."""
    record, tag = subject.record, subject.tag
    if record is None or tag is None or record.built is None or record.target not in policy.sleepers:
        return None
    if tag.asleep is None:
        return _falls_asleep(subject, policy, now)
    return _wakes_up(subject, tag.asleep, policy, now) or _half(subject)


def _half(subject: Subject) -> Rest | None:
    half = subject.tag is not None and subject.tag.half
    return Rest(True, "falling asleep, or waking up, broke off half-way") if half else None


def _asked(subject: Subject, *kinds: str) -> Intent | None:
    """The newest of what people said of these kinds."""
    said = [intent for kind in kinds if (intent := subject.asked(kind)) is not None]
    return max(said, key=lambda intent: intent.at, default=None)


# --- waking


def _wakes_up(subject: Subject, slept: datetime, policy: Policy, now: datetime) -> Rest | None:
    said = _asked(subject, "sleep", "wake", "retry")
    if said is not None and said.kind != "sleep":
        return Rest(False, f"{said.by} asked to wake it", _awake_until(subject, said.at, policy))
    knock = subject.use.knock if subject.use else None
    if knock is not None and slept < knock <= now < knock + policy.awake_for:
        return Rest(False, f"somebody opened it at {reasons.moment(knock)}", _awake_until(subject, knock, policy))
    schedule = schedule_of(subject)
    opening = hours.current(schedule, now) if schedule else None
    if opening is not None and slept < opening.opens:
        return Rest(False, f"its hours ({schedule}) began at {reasons.moment(opening.opens)}")
    return None


def _awake_until(subject: Subject, woken: datetime, policy: Policy) -> datetime:
    """In its hours as long as it may be idle; outside of them for a bounded time."""
    schedule, idle = schedule_of(subject), idle_timeout(subject, policy)
    outside = schedule is not None and hours.current(schedule, woken) is None
    span = policy.awake_for if outside or idle is None else idle
    return (woken + span).replace(microsecond=0)


# --- falling asleep


def _falls_asleep(subject: Subject, policy: Policy, now: datetime) -> Rest | None:
    said = _asked(subject, "sleep", "wake")
    if said is not None and said.kind == "sleep":
        return Rest(True, f"{said.by} asked to put it to sleep")
    if said is not None:
        return Rest(False, f"{said.by} asked to keep it awake", _awake_until(subject, said.at, policy))
    due = None if subject.testing else sleeps_at(subject, policy, now)
    return Rest(True, due.reason) if due is not None and due.at <= due.known_until else None


@dataclass(frozen=True, slots=True)
class Due:
    """When it falls asleep if nobody uses it, and why. ``known_until``: up to when it is known that nobody did."""

    at: datetime
    reason: str
    known_until: datetime


def sleeps_at(subject: Subject, policy: Policy, now: datetime) -> Due | None:
    """The earliest of what its hours and its idleness say; None: neither ever does."""
    due = [found for found in (_after_hours(subject, policy, now), _when_idle(subject, policy, now)) if found]
    return min(due, key=lambda found: found.at, default=None)


def _after_hours(subject: Subject, policy: Policy, now: datetime) -> Due | None:
    schedule, built = schedule_of(subject), subject.record.built if subject.record else None
    if schedule is None or built is None:
        return None
    opening = hours.current(schedule, now)
    closed = opening.closes if opening else hours.last_closed(schedule, now)
    if closed is None:
        return None
    held = [subject.tag.awake_until] if subject.tag and subject.tag.awake_until else []
    used = [moment + policy.lingers for moment in (built.at, last_used(subject)) if moment is not None]
    return Due(max(closed, *held, *used), f"it is outside of its hours ({schedule})", now)


def _when_idle(subject: Subject, policy: Policy, now: datetime) -> Due | None:
    idle = idle_timeout(subject, policy)
    if idle is None or (gives_up(subject) and not expiries.kept(subject)):  # then it ends instead: ``unused``
        return None
    since = _unused_since(subject, now)
    if since is None or subject.use is None:
        return None
    held = subject.tag.awake_until if subject.tag else None
    due = max(since + idle, held) if held else since + idle
    known = min(now, subject.use.until)
    return Due(due, f"nobody has used it since {reasons.moment(since)} ({reasons.duration(idle)} and more)", known)


def unused(subject: Subject, policy: Policy, now: datetime) -> str:
    """The sentence for what is to be destroyed because nobody uses it (``on_idle: destroy``); empty when it is not."""
    idle = idle_timeout(subject, policy)
    if idle is None or not gives_up(subject) or expiries.kept(subject) or subject.testing:
        return ""
    since = _unused_since(subject, now)
    if since is None or subject.use is None or since + idle > min(now, subject.use.until):
        return ""
    return f"{UNUSED} for {reasons.duration(idle)}, and its eph.yaml says on_idle: destroy"


UNUSED = "nobody used it"
"""How the sentence begins that the mark on the commit carries."""


def _unused_since(subject: Subject, now: datetime) -> datetime | None:
    """Since when nobody used it: the last visit, the build, the waking, the start of its hours, or a wish for more."""
    used, built = last_used(subject), subject.record.built if subject.record else None
    if used is None or built is None:
        return None
    schedule = schedule_of(subject)
    opening = hours.current(schedule, now) if schedule else None
    began = [opening.opens] if opening else []
    seen = [subject.seen] if subject.seen else []
    asked = [intent.at for intent in subject.intents if intent.kind in ("wake", "retry", "extend", "keep")]
    return max(used, built.at, *began, *seen, *asked)


def last_used(subject: Subject) -> datetime | None:
    return subject.use.last if subject.use else None


# --- what eph.yaml and the server say


def _recipe(subject: Subject) -> Recipe | None:
    recipe = subject.candidate.recipe if subject.candidate else None
    return recipe if isinstance(recipe, Recipe) else None


def schedule_of(subject: Subject) -> Hours | None:
    recipe = _recipe(subject)
    return recipe.schedule if recipe else None


def idle_timeout(subject: Subject, policy: Policy) -> timedelta | None:
    recipe = _recipe(subject)
    return (recipe.idle_timeout if recipe else None) or policy.idle_timeout


def gives_up(subject: Subject) -> bool:
    recipe = _recipe(subject)
    return recipe is not None and recipe.destroy_idle


def rules(subject: Subject, policy: Policy) -> Iterator[str]:
    """When it sleeps, in words that do not change with every visit."""
    record = subject.record
    if record is None or record.target not in policy.sleepers:
        return
    idle, schedule = idle_timeout(subject, policy), schedule_of(subject)
    if idle is not None:
        ends = gives_up(subject) and not expiries.kept(subject)
        yield f"{'it is removed' if ends else 'it sleeps'} after {reasons.duration(idle)} without a visit"
    if schedule is not None:
        yield f"it sleeps outside of {schedule}"
