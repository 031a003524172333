"""Compares desired and observed state of one environment and returns one action. Read ``decide`` like a table.

Limits aren't applied here: an action may still be queued (``queues``) or held (``guards``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from orchestrator.core import wording
from orchestrator.core.desired.desired_state import DesiredState, PlanContext, Unchanged, Unwanted, Wanted
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.world import IntentKind, Recipe, RunningOperation
from orchestrator.core.planning import backoff, repairs, tag_updates
from orchestrator.core.planning.plan_actions import (
    Action,
    Confirm,
    Create,
    Destroy,
    Find,
    Hold,
    Interrupt,
    Keep,
    Refuse,
    Retag,
    Sleep,
    Update,
    Wait,
    WaitingFor,
    Wake,
)
from orchestrator.core.planning.reason_codes import HoldCode, LaneCode
from orchestrator.core.sleep import sleep_rules
from orchestrator.core.util import formatting
from programs.spec import EnvironmentSpec
from stacks.model import OperationVerb, RefKind, StackRecord, StackTag


def decide(environment: EnvironmentFacts, desired: DesiredState, context: PlanContext) -> Action:
    if environment.running is not None:  # one operation per stack at a time; it can only be interrupted
        return _during_operation(environment, environment.running, desired, context)
    obstacle = _obstacle(environment)
    if obstacle is not None:  # no operation is safe
        return obstacle
    match desired:
        case Unchanged(action):  # it stays as it is, but people can still extend it or put it to sleep
            may = isinstance(action, Wait | Refuse | Find)
            return (
                may
                and (
                    tag_updates.set_variables(environment, context)
                    or _sleep_or_wake(environment, environment.tag, context)
                    or tag_updates.extend(environment, context)
                )
            ) or action
        case Unwanted():
            return _destroy(environment, desired, context)
        case Wanted(recipe):
            record = environment.record
            if record is None:
                return _create(environment, recipe, context)
            return _update(environment, record, recipe, context)
        case _:
            assert_never(desired)


def _during_operation(
    environment: EnvironmentFacts, running: RunningOperation, desired: DesiredState, context: PlanContext
) -> Action:
    operation = wording.operations.operation(running.verb, running.commit)
    if isinstance(desired, Unchanged) and isinstance(desired.action, Confirm):  # a read, which may end it
        return desired.action
    if running.remote:  # another replica's operation can't be interrupted
        return _wait_for_lane(environment, LaneCode.OTHER_REPLICA, wording.operations.waiting_for_replica(operation))
    if running.interrupting:
        return _wait_for_lane(environment, LaneCode.CANCELING, wording.operations.canceling(operation))
    builds = running.verb in (OperationVerb.UP, OperationVerb.WAKE)
    if builds and isinstance(desired, Unwanted) and not desired.guarded:  # its result is no longer wanted
        return Interrupt(environment.ref, desired.reason, unwanted=True)
    if running.verb is OperationVerb.UP and isinstance(desired, Wanted) and running.commit != environment.head:
        return _supersede(environment, running, context)
    if running.verb is OperationVerb.DESTROY and isinstance(desired, Wanted):  # let it finish, then recreate it
        return _wait_for_lane(environment, LaneCode.NEEDED_AGAIN, wording.operations.NEEDED_AGAIN)
    return _wait_for_lane(environment, LaneCode.RUNNING, wording.operations.is_running(operation))


def _supersede(environment: EnvironmentFacts, running: RunningOperation, context: PlanContext) -> Action:
    newer = wording.operations.newer_commit(environment.head, running.commit)
    if running.superseded >= context.policy.max_supersedes:  # frequent pushes must not starve the update
        reason = wording.operations.superseded_too_often(newer, running.superseded)
        return _wait_for_lane(environment, LaneCode.SUPERSEDED_TOO_OFTEN, reason)
    settled = repairs.debounced_at(environment, context.policy)
    if settled is not None and settled > context.now:  # the next push may follow at once
        reason = wording.operations.waiting_for_pushes(newer)
        return Wait(environment.ref, environment.key, reason, None, settled, WaitingFor.SETTLE)
    return Interrupt(environment.ref, newer)


def _wait_for_lane(environment: EnvironmentFacts, lane: LaneCode, reason: str) -> Wait:
    return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.LANE, lane=lane)


def _obstacle(environment: EnvironmentFacts) -> Hold | None:
    record, ref = environment.record, environment.ref
    name = formatting.pulumi_name(ref)
    if environment.duplicate_of is not None:  # same name: destroying one would destroy the other's resources
        reason = wording.operations.second_stack(environment.title, environment.duplicate_of)
        return Hold(ref, reason, HoldCode.DUPLICATE, f"pulumi stack rm --force --stack {name}")
    if record is None:
        return None
    if record.unreadable:  # unreadable isn't absent
        reason = wording.operations.unreadable_state(record.unreadable)
        return Hold(ref, reason, HoldCode.UNREADABLE, f"pulumi stack export --stack {name}")
    tag = record.tag
    if tag is not None and environment.has_foreign_tag:
        other = formatting.reference(tag.repository_name, tag.key, tag.ref_name)
        reason = wording.operations.foreign_tag(other, environment.title)
        return Hold(ref, reason, HoldCode.FOREIGN_TAG, f"pulumi stack tag ls --stack {name}")
    alive = [lock for lock in record.locks if not lock.owner_dead]
    if alive:  # its owner may still be running
        lock = alive[0]
        owner = wording.operations.lock_owner(lock.pid, lock.user, lock.host, lock.acquired_at)
        if not lock.pid:  # a truncated lock names no owner, so none can be proven dead
            owner = wording.operations.unknown_lock_owner(lock.id)
        return Hold(ref, wording.operations.locked(owner), HoldCode.LOCKED, f"pulumi cancel --yes --stack {name}")
    return None


def _destroy(environment: EnvironmentFacts, unwanted: Unwanted, context: PlanContext) -> Action:
    ref, record = environment.ref, environment.record
    if record is None and unwanted.report_always:
        return Refuse(ref, environment.key, unwanted.reason, unwanted.code)
    if record is None:
        return Keep(ref, environment.key, wording.operations.nothing_to_destroy(unwanted.reason))
    tried = backoff.count_attempts(environment, OperationVerb.DESTROY, "", context.now)
    pause = (
        None
        if _requested_since(environment, tried.last)
        else backoff.destroy_delay(tried, context.policy.backoff, ref, context.now)
    )
    if pause is not None and pause.until is not None:
        failed = wording.repairs.attempts("destroy", pause.attempts)
        reason = wording.repairs.retry_later(unwanted.reason, failed, pause.until, "")
        return Wait(ref, environment.key, reason, None, pause.until, WaitingFor.DESTROY)
    if unwanted.guarded and not context.stacks_complete:  # the guard can't count the environments
        reason = wording.operations.destroy_held(unwanted.reason, context.stacks_reason)
        return Hold(ref, reason, HoldCode.STACKS_INCOMPLETE)
    return Destroy(ref, environment.name, record.target, unwanted.reason, unwanted.code, unwanted.guarded)


def _create(environment: EnvironmentFacts, recipe: Recipe, context: PlanContext) -> Action:
    if not context.stacks_complete:  # it may exist in what couldn't be read
        reason = wording.operations.may_exist(context.stacks_reason)
        return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.STACKS)
    labels = environment.request.trigger_labels if environment.request else frozenset[str]()
    if labels:
        reason = wording.operations.create_for_label(environment.title, labels)
    else:
        reason = wording.operations.create_for_ref(environment.title, environment.key.kind)
    tag = tag_updates.desired_tag(environment, recipe.spec, context)
    spec = replace(recipe.spec, asleep=True) if tag.asleep else recipe.spec
    return _wait_for_retry(environment, reason, context) or Create(environment.ref, environment.key, spec, tag, reason)


def _update(environment: EnvironmentFacts, record: StackRecord, recipe: Recipe, context: PlanContext) -> Action:
    variables = tag_updates.set_variables(environment, context)
    if variables is not None:
        return variables
    if environment.variables.error:  # an update without them would remove them
        reason = wording.operations.variables_unreadable(environment.variables.error)
        return Hold(environment.ref, reason, HoldCode.VARIABLES_UNREADABLE)
    spec = keep_name(recipe.spec, record.name)
    digest = recipe.digest if spec is recipe.spec else spec.digest
    tag = tag_updates.desired_tag(environment, spec, context)
    need = repairs.needed_update(environment, recipe, digest, context)
    if need is None:
        changed = tag if tag != record.tag else None
        retag = _sleep_or_wake(environment, tag, context) or tag_updates.retag(environment, changed, context)
        return retag or Keep(environment.ref, environment.key, _in_sync_reason(environment, record))
    wait = _delay_update(environment, record, need, context)
    if wait is not None:
        asleep = record.tag is not None and record.tag.asleep is not None
        rest = (
            _sleep_or_wake(environment, record.tag, context)
            if asleep or wait.waiting_for is WaitingFor.STALLED
            else None
        )
        return rest or tag_updates.extend(environment, context) or wait
    if _stays_asleep(environment, tag, context):
        spec = replace(spec, asleep=True)
    elif tag.asleep:  # a push wakes it
        tag = replace(tag, asleep=None, awake_until=None, half=False)
    changed = _recorded_first(environment, tag) if tag != record.tag else None
    return Update(
        environment.ref,
        environment.key,
        spec,
        changed,
        need.reason,
        need.code,
        need.refresh,
        need.repair_note,
        repairs.requested_resets(environment, spec),
    )


def _stays_asleep(environment: EnvironmentFacts, tag: StackTag, context: PlanContext) -> bool:
    """Whether an update starts nothing: it starts on request, and no one has requested it since it fell asleep."""
    if tag.asleep is None or not sleep_rules.starts_on_request(environment, context.policy):
        return False
    change = sleep_rules.needed_change(environment, context.policy, context.now)
    return change is None or change.asleep


def _recorded_first(environment: EnvironmentFacts, tag: StackTag) -> StackTag | None:
    """The tag that an update writes first. For a label deploy the tag is what requests it: until the new commit is
    built, it still requests the one that is live, so a failed update changes nothing."""
    old, record = environment.tag, environment.record
    if environment.key.kind is not RefKind.DEPLOY or old is None or record is None or record.built is None:
        return tag
    return replace(old, asleep=None, awake_until=None, half=False) if old.asleep and not tag.asleep else None


def _sleep_or_wake(
    environment: EnvironmentFacts, tag: StackTag | None, context: PlanContext
) -> Sleep | Wake | Retag | Wait | None:
    """The action that makes it sleep or wake, if needed. ``tag`` is the desired tag."""
    change, record = sleep_rules.needed_change(environment, context.policy, context.now), environment.record
    if change is None or record is None or record.built is None or tag is None or record.tag is None:
        return None
    slept, now = record.tag.asleep, tag_updates.in_milliseconds(context.now)
    asleep = (slept if record.tag.half and slept else now) if change.asleep else None
    wanted = replace(tag, asleep=asleep, awake_until=change.until, half=False)
    if not change.asleep and slept is None:
        return Retag(environment.ref, wanted, change.reason) if wanted != record.tag else None
    delay = _sleep_backoff(environment, change, context)
    if delay is not None:
        return delay
    if change.asleep:
        return Sleep(environment.ref, record.name, record.target, wanted, change.reason, change.code)
    return Wake(environment.ref, record.name, record.target, wanted, record.built.commit, change.reason, change.code)


def _sleep_backoff(environment: EnvironmentFacts, change: sleep_rules.SleepChange, context: PlanContext) -> Wait | None:
    """Why a failed sleep or wake-up isn't retried yet."""
    verb, limits = (OperationVerb.SLEEP if change.asleep else OperationVerb.WAKE), context.policy.backoff
    tried = backoff.count_attempts(environment, verb, "", context.now)
    if _requested_since(environment, tried.last, IntentKind.WAKE, IntentKind.SLEEP, IntentKind.RETRY):
        return None
    how = backoff.destroy_delay if change.asleep else backoff.build_delay
    found = how(tried, limits, environment.ref, context.now)
    if found is None:
        return None
    because = WaitingFor.STALLED if found.stalled else WaitingFor.BACKOFF
    failed = wording.repairs.attempts(wording.repairs.sleep_or_wake(change.asleep), found.attempts)
    reason = wording.repairs.retry_later(change.reason, failed, found.until, wording.repairs.RETRY_WAKE_BY_PUSH)
    return Wait(environment.ref, environment.key, reason, None, found.until, because)


def _delay_update(
    environment: EnvironmentFacts, record: StackRecord, need: repairs.NeededUpdate, context: PlanContext
) -> Wait | None:
    """Why a needed update doesn't start now."""
    known = {record.tag.commit if record.tag else "", record.built.commit if record.built else ""}
    settled = repairs.debounced_at(environment, context.policy) if environment.head not in known else None
    if settled is not None and settled > context.now:  # pushes often come in series
        reason = wording.operations.waiting_for_pushes(need.reason)
        return Wait(environment.ref, environment.key, reason, None, settled, WaitingFor.SETTLE)
    asked = _requested_since(environment, record.built.built_at if record.built else None)
    if need.not_before is not None and need.not_before > context.now and not asked:
        reason = wording.repairs.repairs_failed(need.reason, need.not_before)
        return Wait(environment.ref, environment.key, reason, None, need.not_before, WaitingFor.BACKOFF)
    return _wait_for_retry(environment, need.reason, context)


def retry_delay(environment: EnvironmentFacts, context: PlanContext) -> backoff.RetryDelay | None:
    """How long the build of the head commit waits after earlier attempts."""
    tried = backoff.count_attempts(environment, OperationVerb.UP, environment.head, context.now)
    if _requested_since(environment, tried.last):
        return None
    found = backoff.build_delay(tried, context.policy.backoff, environment.ref, context.now)
    asks = environment.request is not None and environment.request.retry_requested
    if (
        found is not None and found.stalled and asks and tried.last is not None
    ):  # not stalled, but not in a tight loop either
        until = tried.last + context.policy.backoff.maximum
        return backoff.RetryDelay(found.attempts, until, stalled=False) if until > context.now else None
    return found


def _wait_for_retry(environment: EnvironmentFacts, reason: str, context: PlanContext) -> Wait | None:
    found = retry_delay(environment, context)
    if found is None:
        return None
    failed = wording.repairs.attempts(wording.repairs.build_of(environment.head), found.attempts)
    because = WaitingFor.STALLED if found.stalled else WaitingFor.BACKOFF
    delayed = wording.repairs.retry_later(reason, failed, found.until, wording.repairs.RETRY_BY_PUSH)
    return Wait(environment.ref, environment.key, delayed, None, found.until, because)


def _requested_since(environment: EnvironmentFacts, last: datetime | None, *kinds: IntentKind) -> bool:
    """Whether a person requested a retry or a destroy after the last attempt ended."""
    asked = [
        intent.at for intent in environment.intents if intent.kind in (kinds or (IntentKind.RETRY, IntentKind.DOWN))
    ]
    return bool(asked) and (last is None or max(asked) >= last)


def keep_name(spec: EnvironmentSpec, name: str) -> EnvironmentSpec:
    """Keep an existing environment's name after its repository is renamed, and so its URL and databases."""
    if not name or name == spec.name:
        return spec
    marks = {mark: name if value == spec.name else value for mark, value in spec.marks.items()}
    return replace(spec, name=name, host=spec.host.replace(spec.name, name, 1), marks=marks)


def _in_sync_reason(environment: EnvironmentFacts, record: StackRecord) -> str:
    if record.tag is not None and record.tag.asleep:
        return wording.operations.asleep(record.tag.asleep, environment.head)
    return wording.operations.in_sync(environment.head)
