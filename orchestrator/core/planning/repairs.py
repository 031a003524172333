"""What an existing environment needs to be what it should be: the table of differences, and repairs of what no longer
answers.

A URL that never answered since the build is given its own start deadline; one that did is repaired sooner. Repairs
that help nothing are paced like failures, though each of them succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core.desired.desired_state import PlanContext
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import HealthStatus, Recipe
from orchestrator.core.planning import backoff, drift_detection
from orchestrator.core.util import formatting
from programs.drift_wording import DriftWording
from programs.spec import EnvironmentSpec
from stacks.model import BuildInfo, OperationVerb, Outcome, StackRecord


@dataclass(frozen=True, slots=True)
class NeededUpdate:
    """``not_before``: not before. ``low_priority``: housekeeping, which waits behind what people wait for.
    ``repair_note``: what people are told once it is done, when something was lost behind our back."""

    reason: str
    refresh: bool = False
    not_before: datetime | None = None
    low_priority: bool = False
    repair_note: str = ""


def needed_update(
    environment: EnvironmentFacts, recipe: Recipe, digest: str, context: PlanContext
) -> NeededUpdate | None:
    """Whatever it is for: with something lost, what really exists is looked at first."""
    found = _find_needed_update(environment, recipe, digest, context)
    return replace(found, refresh=True) if found is not None and environment.drift else found


def _find_needed_update(
    environment: EnvironmentFacts, recipe: Recipe, digest: str, context: PlanContext
) -> NeededUpdate | None:
    record = environment.record
    if record is None:
        raise ValueError(f"{environment.ref} does not exist, so it needs no update")
    if record.pending_operations:  # a try broke off in the middle of a resource
        return NeededUpdate(
            f"an interrupted attempt left {formatting.count(record.pending_operations, 'resource')} half-done",
            refresh=True,
        )
    if record.locks:  # proven dead, or it would be held
        return NeededUpdate("the last attempt died and left a lock behind; its owner is proven dead", refresh=True)
    built = record.built
    if built is None or record.tag is None:
        return _first_build(environment)
    if built.commit != environment.head:
        return NeededUpdate(
            f"commit {formatting.commit(environment.head)} is newer than the live commit "
            f"{formatting.commit(built.commit)}"
        )
    if record.tag.asleep:
        return None  # housekeeping can wait until it is awake
    if built.spec_digest != digest:
        return NeededUpdate("eph.yaml or the server's settings changed since the last build", low_priority=True)
    version = context.policy.program_versions.get(recipe.spec.target, built.program_version)
    if version != built.program_version:
        return NeededUpdate(f"the target {recipe.spec.target} was upgraded to {version}", low_priority=True)
    if environment.drift:  # behind our back; nobody has to wait until the URL tells it too
        until = _next_repair(environment, record, context)
        wording = context.policy.drift_wordings.get(record.target, DriftWording())
        mends = drift_detection.describe_repair(environment.drift, record.resource_names.values(), wording)
        return NeededUpdate(
            drift_detection.describe(environment.drift, wording), refresh=True, not_before=until, repair_note=mends
        )
    return _repair(environment, recipe.spec, built, context)


def _first_build(environment: EnvironmentFacts) -> NeededUpdate:
    if environment.failure is not None and environment.failure.outcome is Outcome.FAILED:
        return NeededUpdate(f"the last attempt failed: {environment.failure.error or 'unknown reason'}")
    return NeededUpdate("its creation was not finished")


def debounced_at(environment: EnvironmentFacts, policy: Policy) -> datetime | None:
    """When the newest commit counts as the last one of a series of pushes; None: no need to wait."""
    if environment.first_seen_at is None or not policy.debounce:
        return None
    quiet = environment.first_seen_at + policy.debounce
    patience = environment.waiting_since + 5 * policy.debounce if environment.waiting_since else quiet
    return min(quiet, max(patience, environment.first_seen_at))


def is_responding(environment: EnvironmentFacts) -> bool | None:
    """Whether the URL of what is built answers; None: not known yet."""
    built = environment.record.built if environment.record else None
    if built is None or environment.health is None or environment.health.commit != built.commit:
        return None
    return environment.health.ok


def is_starting(health: HealthStatus, built: BuildInfo, policy: Policy) -> bool:
    """It has not answered since it was built, so far as can be told."""
    if built.built_at > health.at:  # built after it was asked? The clock was set back.
        return False
    return not health.ok and health.since <= built.built_at + policy.unhealthy_after


def start_deadline(spec: EnvironmentSpec, built: BuildInfo) -> datetime:
    seconds = max((service.health.deadline for service in spec.services if service.public), default=0)
    return built.built_at + timedelta(seconds=seconds)


def _repair(
    environment: EnvironmentFacts, spec: EnvironmentSpec, built: BuildInfo, context: PlanContext
) -> NeededUpdate | None:
    health = environment.health
    if is_responding(environment) is not False or health is None or environment.record is None:
        return None
    patient = health.since + context.policy.unhealthy_after
    if is_starting(health, built, context.policy):
        patient = max(patient, start_deadline(spec, built))
    if context.now < patient:
        return None
    silent = formatting.duration(context.now - health.since)
    detail = f": {health.detail}" if health.detail else ""
    return NeededUpdate(
        f"its URL hasn't responded for {silent}{detail}",
        refresh=True,
        not_before=_next_repair(environment, environment.record, context),
        repair_note=f"its URL did not respond{detail}; all resources were checked, and missing ones were recreated",
    )


def _next_repair(environment: EnvironmentFacts, record: StackRecord, context: PlanContext) -> datetime | None:
    """Builds of this commit within the last hour, less the first, were repairs that did not help."""
    limits, since = context.policy.backoff, context.now - context.policy.backoff.stalled_interval
    ups = [entry for entry in record.history if entry.verb is OperationVerb.UP and entry.commit == environment.head]
    ended = sorted(entry.ended_at for entry in ups if entry.outcome is Outcome.SUCCEEDED)[1:]
    recent = [moment for moment in ended if since < moment <= context.now]
    if not recent:
        return None
    tried = backoff.Attempts(len(recent), recent[-1])
    pause = backoff.build_delay(tried, limits, environment.ref, context.now)
    return pause.until if pause else None
