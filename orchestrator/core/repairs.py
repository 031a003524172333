"""What an existing environment needs to be what it should be: the table of differences, and repairs of what no longer
answers.

A URL that never answered since the build is given its own start deadline; one that did is repaired sooner. Repairs
that help nothing are paced like failures, though each of them succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core import backoff, drifts, reasons
from orchestrator.core.model import Health, Recipe
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from orchestrator.core.wishes import At
from programs.spec import EnvironmentSpec
from stacks.model import Built, Outcome, StackRecord, Verb


@dataclass(frozen=True, slots=True)
class Need:
    """``until``: not before. ``idle``: housekeeping, which waits behind what people wait for. ``mends``: what people
    are told once it is done, when something was lost behind our back."""

    reason: str
    refresh: bool = False
    until: datetime | None = None
    idle: bool = False
    mends: str = ""


def need(subject: Subject, recipe: Recipe, digest: str, at: At) -> Need | None:
    """Whatever it is for: with something lost, what really exists is looked at first."""
    found = _need(subject, recipe, digest, at)
    return replace(found, refresh=True) if found is not None and subject.lost else found


def _need(subject: Subject, recipe: Recipe, digest: str, at: At) -> Need | None:
    record = subject.record
    if record is None:
        raise ValueError(f"{subject.ref} does not exist, so it cannot need anything")
    if record.pending:  # a try broke off in the middle of a resource
        return Need(f"{reasons.count(record.pending, 'resource')} left half-done by a try that broke off", refresh=True)
    if record.locks:  # proven dead, or it would be held
        return Need("the last try died and left its lock; its owner is proven dead", refresh=True)
    built = record.built
    if built is None or record.tag is None:
        return _first_build(subject)
    if built.commit != subject.head:
        return Need(f"{reasons.commit(built.commit)} runs, {reasons.commit(subject.head)} is wanted")
    if record.tag.asleep:
        return None  # housekeeping can wait until it is awake
    if built.spec_digest != digest:
        return Need("its eph.yaml or the server's settings changed since it was built", idle=True)
    version = at.policy.program_versions.get(recipe.spec.target, built.program_version)
    if version != built.program_version:
        return Need(f"the target {recipe.spec.target} was upgraded to {version}", idle=True)
    if subject.lost:  # behind our back; nobody has to wait until the URL tells it too
        until = _next_repair(subject, record, at)
        mends = drifts.mended(subject.lost, record.parts.values())
        return Need(drifts.noticed(subject.lost), refresh=True, until=until, mends=mends)
    return _repair(subject, recipe.spec, built, at)


def _first_build(subject: Subject) -> Need:
    if subject.failure is not None and subject.failure.outcome is Outcome.FAILED:
        return Need(f"the last try failed: {subject.failure.error or 'no reason was given'}")
    return Need("its making was not finished")


def settled_at(subject: Subject, policy: Policy) -> datetime | None:
    """When the newest commit counts as the last one of a series of pushes; None: no need to wait."""
    if subject.seen is None or not policy.debounce:
        return None
    quiet = subject.seen + policy.debounce
    patience = subject.behind_since + 5 * policy.debounce if subject.behind_since else quiet
    return min(quiet, max(patience, subject.seen))


def answers(subject: Subject) -> bool | None:
    """Whether the URL of what is built answers; None: not known yet."""
    built = subject.record.built if subject.record else None
    if built is None or subject.health is None or subject.health.commit != built.commit:
        return None
    return subject.health.ok


def is_starting(health: Health, built: Built, policy: Policy) -> bool:
    """It has not answered since it was built, so far as can be told."""
    if built.at > health.at:  # built after it was asked? The clock was set back.
        return False
    return not health.ok and health.since <= built.at + policy.unhealthy_after


def start_deadline(spec: EnvironmentSpec, built: Built) -> datetime:
    seconds = max((service.health.deadline for service in spec.services if service.public), default=0)
    return built.at + timedelta(seconds=seconds)


def _repair(subject: Subject, spec: EnvironmentSpec, built: Built, at: At) -> Need | None:
    health = subject.health
    if answers(subject) is not False or health is None or subject.record is None:
        return None
    patient = health.since + at.policy.unhealthy_after
    if is_starting(health, built, at.policy):
        patient = max(patient, start_deadline(spec, built))
    if at.now < patient:
        return None
    silent = reasons.duration(at.now - health.since)
    detail = f": {health.detail}" if health.detail else ""
    return Need(
        f"its URL does not answer since {silent}{detail}",
        refresh=True,
        until=_next_repair(subject, subject.record, at),
        mends=f"its URL did not answer{detail}; everything was looked at, and what did not stand was made again",
    )


def _next_repair(subject: Subject, record: StackRecord, at: At) -> datetime | None:
    """Builds of this commit within the last hour, less the first, were repairs that did not help."""
    limits, since = at.policy.backoff, at.now - at.policy.backoff.stalled_every
    ups = [entry for entry in record.history if entry.verb is Verb.UP and entry.commit == subject.head]
    ended = sorted(entry.ended for entry in ups if entry.outcome is Outcome.SUCCEEDED)[1:]
    recent = [moment for moment in ended if since < moment <= at.now]
    if not recent:
        return None
    tried = backoff.Tries(len(recent), recent[-1])
    pause = backoff.build_pause(tried, limits, subject.ref, at.now)
    return pause.until if pause else None
