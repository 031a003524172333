"""Decides whether an existing environment needs an update: because it differs, or because its URL doesn't respond.

A URL that hasn't responded since the build gets the time of its start deadline; otherwise it is repaired sooner.
Repairs that don't help back off like failures, although each of them succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core import wording
from orchestrator.core.desired import image_pinning
from orchestrator.core.desired.desired_state import PlanContext
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import HealthStatus, IntentKind, Recipe
from orchestrator.core.planning import backoff, drift_detection
from orchestrator.core.planning.reason_codes import UpdateCode
from programs.drift_wording import DriftWording
from programs.spec import EnvironmentSpec
from stacks.model import BuildInfo, OperationVerb, Outcome, StackRecord


@dataclass(frozen=True, slots=True)
class NeededUpdate:
    """``low_priority``: maintenance, which queues behind everything that people wait for.

    ``repair_note``: what is reported after the repair of something that was changed outside of Eph.
    """

    reason: str
    code: UpdateCode
    refresh: bool = False
    not_before: datetime | None = None
    low_priority: bool = False
    repair_note: str = ""


def needed_update(
    environment: EnvironmentFacts, recipe: Recipe, digest: str, context: PlanContext
) -> NeededUpdate | None:
    """The needed update. With drift, it refreshes the state first, whatever its reason is."""
    found = _find_needed_update(environment, recipe, digest, context)
    return replace(found, refresh=True) if found is not None and environment.drift else found


def _find_needed_update(
    environment: EnvironmentFacts, recipe: Recipe, digest: str, context: PlanContext
) -> NeededUpdate | None:
    record = environment.record
    if record is None:
        raise ValueError(f"{environment.ref} doesn't exist, so it needs no update")
    if record.pending_operations:  # an attempt ended in the middle of a resource
        return NeededUpdate(wording.repairs.half_done(record.pending_operations), UpdateCode.HALF_DONE, refresh=True)
    if record.locks:  # with a live owner, it would be on hold
        return NeededUpdate(wording.repairs.DEAD_LOCK, UpdateCode.DEAD_LOCK, refresh=True)
    built = record.built
    if built is None or record.tag is None:
        return _first_build(environment)
    if built.commit != environment.head:
        return NeededUpdate(wording.repairs.newer_than_live(environment.head, built.commit), UpdateCode.NEW_COMMIT)
    resets = requested_resets(environment, recipe.spec)
    if resets:
        return NeededUpdate(wording.repairs.reset_databases(resets), UpdateCode.RESET_DATABASE, refresh=True)
    if record.tag.asleep:
        return None  # maintenance can wait until it is awake
    if built.spec_digest != digest and image_pinning.replaced_fallbacks(recipe, built):
        replaced = image_pinning.replaced_fallbacks(recipe, built)
        return NeededUpdate(wording.images.fallback_replaced(replaced, built.commit), UpdateCode.IMAGE_FOUND)
    if built.spec_digest != digest:
        return NeededUpdate(wording.repairs.SPEC_CHANGED, UpdateCode.SPEC_CHANGED, low_priority=True)
    version = context.policy.program_versions.get(recipe.spec.target, built.program_version)
    if version != built.program_version:
        reason = wording.repairs.target_upgraded(recipe.spec.target, version)
        return NeededUpdate(reason, UpdateCode.TARGET_UPGRADED, low_priority=True)
    if environment.drift:  # repaired before the URL fails, too
        until = _next_repair(environment, record, context)
        words = context.policy.drift_wordings.get(record.target, DriftWording())
        note = drift_detection.describe_repair(environment.drift, record.resource_names.values(), words)
        reason = drift_detection.describe(environment.drift, words)
        return NeededUpdate(reason, UpdateCode.DRIFT, refresh=True, not_before=until, repair_note=note)
    return _repair(environment, recipe.spec, built, context)


def requested_resets(environment: EnvironmentFacts, spec: EnvironmentSpec) -> tuple[str, ...]:
    """The databases of the newest commit that a person wants to start over."""
    asked = environment.latest_intent(IntentKind.RESET_DATABASE)
    return tuple(item.name for item in spec.databases if asked is not None and item.name in asked.databases)


def _first_build(environment: EnvironmentFacts) -> NeededUpdate:
    if environment.failure is not None and environment.failure.outcome is Outcome.FAILED:
        return NeededUpdate(
            wording.repairs.last_attempt_failed(environment.failure.error), UpdateCode.FIRST_BUILD_FAILED
        )
    return NeededUpdate(wording.repairs.NOT_FINISHED, UpdateCode.NOT_FINISHED)


def debounced_at(environment: EnvironmentFacts, policy: Policy) -> datetime | None:
    """When a series of pushes counts as finished; None: no need to wait."""
    if environment.first_seen_at is None or not policy.debounce:
        return None
    quiet = environment.first_seen_at + policy.debounce
    patience = environment.waiting_since + 5 * policy.debounce if environment.waiting_since else quiet
    return min(quiet, max(patience, environment.first_seen_at))


def is_responding(environment: EnvironmentFacts) -> bool | None:
    """Whether the built environment's URL responds; None if not known yet."""
    built = environment.record.built if environment.record else None
    if built is None or environment.health is None or environment.health.commit != built.commit:
        return None
    return environment.health.ok


def is_starting(health: HealthStatus, built: BuildInfo, policy: Policy) -> bool:
    """Whether its URL hasn't responded since the build, as far as known."""
    if built.built_at > health.at:  # checked before the build: the clock was set back
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
    deadline = health.since + context.policy.unhealthy_after
    if is_starting(health, built, context.policy):
        deadline = max(deadline, start_deadline(spec, built))
    if context.now < deadline:
        return None
    return NeededUpdate(
        wording.repairs.url_unresponsive(context.now - health.since, health.detail),
        UpdateCode.UNRESPONSIVE,
        refresh=True,
        not_before=_next_repair(environment, environment.record, context),
        repair_note=wording.repairs.url_repaired(health.detail),
    )


def _next_repair(environment: EnvironmentFacts, record: StackRecord, context: PlanContext) -> datetime | None:
    """When the next repair may start. Recent builds of this commit, except the first, were repairs that didn't help."""
    limits, since = context.policy.backoff, context.now - context.policy.backoff.stalled_interval
    ups = [entry for entry in record.history if entry.verb is OperationVerb.UP and entry.commit == environment.head]
    ended = sorted(entry.ended_at for entry in ups if entry.outcome is Outcome.SUCCEEDED)[1:]
    recent = [moment for moment in ended if since < moment <= context.now]
    if not recent:
        return None
    tried = backoff.Attempts(len(recent), recent[-1])
    pause = backoff.build_delay(tried, limits, environment.ref, context.now)
    return pause.until if pause else None
