"""Decides whether an environment should sleep: by request, by traffic at the gateway, or by office hours.

Idle time counts until the gateway's last observation, not until now: without observation, nothing becomes idle. An
environment whose hosts the gateway doesn't know isn't reached through it and is never idle. So lost traffic data can
delay sleep, but never cause it.

The tag says whether it is asleep. Only something newer wakes it: a visit, a person, or the start of its hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core import wording
from orchestrator.core.desired import expiry
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import Intent, IntentKind, Recipe
from orchestrator.core.planning.reason_codes import SleepCode
from orchestrator.core.sleep import schedules
from orchestrator.core.sleep.schedules import WeeklySchedule
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class SleepChange:
    """``until``: how long it stays awake at least after waking."""

    asleep: bool
    reason: str
    code: SleepCode
    until: datetime | None = None


def needed_change(environment: EnvironmentFacts, policy: Policy, now: datetime) -> SleepChange | None:
    """A change of the state in the tag, or an interrupted change to complete; None: no change."""
    record, tag = environment.record, environment.tag
    if record is None or tag is None or record.built is None or record.target not in policy.sleep_capable_targets:
        return None
    if tag.asleep is None:
        return _sleep_change(environment, policy, now)
    return _wake_change(environment, _asleep_since(tag.asleep, now), policy, now) or _resume_interrupted(environment)


def _resume_interrupted(environment: EnvironmentFacts) -> SleepChange | None:
    half = environment.tag is not None and environment.tag.half
    return SleepChange(True, wording.sleep.SLEEP_INTERRUPTED, SleepCode.INTERRUPTED) if half else None


def _latest_intent(environment: EnvironmentFacts, *kinds: IntentKind) -> Intent | None:
    """The newest request of these kinds."""
    requests = [intent for kind in kinds if (intent := environment.latest_intent(kind)) is not None]
    return max(requests, key=lambda intent: intent.at, default=None)


# --- waking

WAITING_CLIENTS = timedelta(minutes=1)
"""How long a client waits at the gateway until a sleeping environment responds."""


def _asleep_since(recorded: datetime, now: datetime) -> datetime:
    """A time in the future is from a clock that was ahead and has been corrected. No request would be newer than that,
    so those count whose clients may still be waiting."""
    return recorded if recorded <= now else now - WAITING_CLIENTS


def _wake_change(
    environment: EnvironmentFacts, asleep_since: datetime, policy: Policy, now: datetime
) -> SleepChange | None:
    request = _latest_intent(environment, IntentKind.SLEEP, IntentKind.WAKE, IntentKind.RETRY)
    if request is not None and request.kind != IntentKind.SLEEP:
        return SleepChange(
            False,
            wording.sleep.woken_by(request.by),
            SleepCode.REQUESTED,
            _awake_until(environment, request.at, policy),
        )
    visit = environment.usage.wake_request if environment.usage else None
    if visit is not None and asleep_since < visit <= now < visit + policy.min_awake:
        return SleepChange(
            False, wording.sleep.visited(visit), SleepCode.VISITED, _awake_until(environment, visit, policy)
        )
    schedule = schedule_of(environment)
    opening = schedules.current(schedule, now) if schedule and not starts_on_request(environment, policy) else None
    if opening is not None and asleep_since < opening.opens:
        return SleepChange(False, wording.sleep.hours_began(schedule, opening.opens), SleepCode.SCHEDULE)
    return None


def _awake_until(environment: EnvironmentFacts, woken_at: datetime, policy: Policy) -> datetime:
    """During its hours for the idle timeout; outside for a fixed time."""
    schedule, idle = schedule_of(environment), idle_timeout(environment, policy)
    outside = schedule is not None and schedules.current(schedule, woken_at) is None
    span = policy.min_awake if outside or idle is None else idle
    return (woken_at + span).replace(microsecond=0)


# --- falling asleep


def _sleep_change(environment: EnvironmentFacts, policy: Policy, now: datetime) -> SleepChange | None:
    request = _latest_intent(environment, IntentKind.SLEEP, IntentKind.WAKE)
    if request is not None and request.kind == IntentKind.SLEEP:
        return SleepChange(True, wording.sleep.put_to_sleep_by(request.by), SleepCode.REQUESTED)
    if request is not None:
        until = _awake_until(environment, request.at, policy)
        return SleepChange(False, wording.sleep.kept_awake_by(request.by), SleepCode.REQUESTED, until)
    due = None if environment.is_testing else sleeps_at(environment, policy, now)
    return SleepChange(True, due.reason, due.code) if due is not None and due.at <= due.known_until else None


@dataclass(frozen=True, slots=True)
class ScheduledSleep:
    """When it goes to sleep unless visited, and why. ``known_until``: until when traffic is known."""

    at: datetime
    reason: str
    code: SleepCode
    known_until: datetime


def sleeps_at(environment: EnvironmentFacts, policy: Policy, now: datetime) -> ScheduledSleep | None:
    """The earlier of schedule and idle timeout; None if neither applies."""
    due = [
        found
        for found in (_sleep_after_hours(environment, policy, now), _sleep_when_idle(environment, policy, now))
        if found
    ]
    return min(due, key=lambda found: found.at, default=None)


def _sleep_after_hours(environment: EnvironmentFacts, policy: Policy, now: datetime) -> ScheduledSleep | None:
    schedule, built = schedule_of(environment), environment.record.built if environment.record else None
    if schedule is None or built is None:
        return None
    opening = schedules.current(schedule, now)
    closed = opening.closes if opening else schedules.last_closing(schedule, now)
    if closed is None:
        return None
    held = [environment.tag.awake_until] if environment.tag and environment.tag.awake_until else []
    used = [
        moment + policy.after_hours_grace for moment in (built.built_at, last_used(environment)) if moment is not None
    ]
    return ScheduledSleep(max(closed, *held, *used), wording.sleep.outside_hours(schedule), SleepCode.SCHEDULE, now)


def _sleep_when_idle(environment: EnvironmentFacts, policy: Policy, now: datetime) -> ScheduledSleep | None:
    idle = idle_timeout(environment, policy)
    destroys = destroys_when_idle(environment) and not expiry.is_kept(environment)
    if idle is None or destroys:  # see ``unused_reason``
        return None
    since = _unused_since(environment, now)
    if since is None or environment.usage is None:
        return None
    held = environment.tag.awake_until if environment.tag else None
    due = max(since + idle, held) if held else since + idle
    known = min(now, environment.usage.observed_until)
    return ScheduledSleep(due, wording.sleep.idle(since, idle), SleepCode.IDLE, known)


def unused_reason(environment: EnvironmentFacts, policy: Policy, now: datetime) -> str:
    """Why an unused environment is destroyed (``on_idle: destroy``); empty if it isn't."""
    idle = idle_timeout(environment, policy)
    if idle is None or not destroys_when_idle(environment) or expiry.is_kept(environment) or environment.is_testing:
        return ""
    since = _unused_since(environment, now)
    if since is None or environment.usage is None or since + idle > min(now, environment.usage.observed_until):
        return ""
    return wording.sleep.unused(idle)


_OLD_UNUSED_PREFIX = "nobody used it"
"""How that reason began in commit statuses written by earlier versions."""


def parse_unused_reason(reason: str) -> str:
    """The part of an expiry reason that says the environment was unused; empty for any other reason."""
    for prefix in (wording.sleep.UNUSED_PREFIX, _OLD_UNUSED_PREFIX):
        _, found, rest = reason.partition(prefix)
        if found:
            return f"{wording.sleep.UNUSED_PREFIX}{rest}"
    return ""


def _unused_since(environment: EnvironmentFacts, now: datetime) -> datetime | None:
    """Since when it is unused: its last visit, build, wake-up, start of its hours, or request to keep it."""
    used, built = last_used(environment), environment.record.built if environment.record else None
    if used is None or built is None:
        return None
    schedule = schedule_of(environment)
    opening = schedules.current(schedule, now) if schedule else None
    began = [opening.opens] if opening else []
    seen = [environment.first_seen_at] if environment.first_seen_at else []
    asked = [
        intent.at
        for intent in environment.intents
        if intent.kind in (IntentKind.WAKE, IntentKind.RETRY, IntentKind.EXTEND, IntentKind.KEEP)
    ]
    return max(used, built.built_at, *began, *seen, *asked)


def last_used(environment: EnvironmentFacts) -> datetime | None:
    return environment.usage.last_request if environment.usage else None


# --- settings of eph.yaml and the server


def _recipe(environment: EnvironmentFacts) -> Recipe | None:
    recipe = environment.request.recipe if environment.request else None
    return recipe if isinstance(recipe, Recipe) else None


def schedule_of(environment: EnvironmentFacts) -> WeeklySchedule | None:
    recipe = _recipe(environment)
    return recipe.schedule if recipe else None


def idle_timeout(environment: EnvironmentFacts, policy: Policy) -> timedelta | None:
    recipe = _recipe(environment)
    default = policy.on_demand_idle if starts_on_request(environment, policy) else policy.idle_timeout
    return (recipe.idle_timeout if recipe else None) or default


def starts_on_request(environment: EnvironmentFacts, policy: Policy) -> bool:
    """Whether nothing of it runs until its first request (M4): a label deploy behind the gateway."""
    recipe, record = _recipe(environment), environment.record
    target = recipe.spec.target if recipe else record.target if record else ""
    return environment.key.kind is RefKind.DEPLOY and target in policy.on_demand_targets


def destroys_when_idle(environment: EnvironmentFacts) -> bool:
    """A label deploy ends when its TTL does."""
    recipe = _recipe(environment)
    return recipe is not None and recipe.destroy_when_idle and environment.key.kind is not RefKind.DEPLOY


def describe(environment: EnvironmentFacts, policy: Policy) -> Iterator[str]:
    """When it sleeps, in sentences that don't change with every visit."""
    record = environment.record
    if record is None or record.target not in policy.sleep_capable_targets:
        return
    idle, schedule = idle_timeout(environment, policy), schedule_of(environment)
    if idle is not None:
        ends = destroys_when_idle(environment) and not expiry.is_kept(environment)
        yield wording.sleep.idle_rule(idle, ends)
    if schedule is not None:
        yield wording.sleep.schedule_rule(schedule)
