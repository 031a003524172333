"""One environment, one action: what should be, against what is. ``decide`` reads like a table, from the top.

Limits are not looked at here: what this wants to start may still have to queue (``queues``) or be held (``guards``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from orchestrator.core.desired import expiry
from orchestrator.core.desired.desired_state import DesiredState, PlanContext, Unchanged, Unwanted, Wanted
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.world import IntentKind, Recipe, RunningOperation
from orchestrator.core.planning import backoff, repairs
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
from orchestrator.core.sleep import sleep_rules
from orchestrator.core.util import formatting
from programs.spec import EnvironmentSpec
from stacks.model import OperationVerb, RefKind, StackRecord, StackTag


def decide(environment: EnvironmentFacts, desired: DesiredState, context: PlanContext) -> Action:
    if environment.running is not None:  # one lane per stack: at most end early what runs
        return _during_operation(environment, environment.running, desired, context)
    obstacle = _obstacle(environment)
    if obstacle is not None:  # nothing can be done to it safely
        return obstacle
    match desired:
        case Unchanged(action):  # not enough is known, or it may not be built: it stays, but people may still extend it
            may = isinstance(action, Wait | Refuse | Find)
            return (
                may and (_sleep_or_wake(environment, environment.tag, context) or _extend(environment, context))
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
    busy = f"{running.verb} of {formatting.commit(running.commit)}" if running.commit else f"{running.verb}"
    if isinstance(desired, Unchanged) and isinstance(
        desired.action, Confirm
    ):  # only a question, and the answer may end it
        return desired.action
    if running.remote:  # nobody here can end it early
        return _wait_for_lane(environment, f"waiting for the {busy} that another replica started")
    if running.interrupting:  # it was told already
        return _wait_for_lane(environment, f"canceling the {busy}")
    makes = running.verb in (OperationVerb.UP, OperationVerb.WAKE)
    if makes and isinstance(desired, Unwanted) and not desired.guarded:  # what it makes is not wanted
        return Interrupt(environment.ref, desired.reason, unwanted=True)
    if running.verb is OperationVerb.UP and isinstance(desired, Wanted) and running.commit != environment.head:
        return _supersede(environment, running, context)
    if running.verb is OperationVerb.DESTROY and isinstance(desired, Wanted):  # let it finish, then make it anew
        return _wait_for_lane(environment, "needed again; waiting for the running destroy to finish")
    return _wait_for_lane(environment, f"{busy} is running")


def _supersede(environment: EnvironmentFacts, running: RunningOperation, context: PlanContext) -> Action:
    newer = f"commit {formatting.commit(environment.head)} is newer than {formatting.commit(running.commit)}"
    if running.superseded >= context.policy.max_supersedes:  # a storm of pushes must not starve the update
        times = formatting.count(running.superseded, "time")
        return _wait_for_lane(
            environment, f"{newer}, but the update was already superseded {times} in a row and now runs to completion"
        )
    settled = repairs.debounced_at(environment, context.policy)
    if settled is not None and settled > context.now:  # perhaps the next push is a second away
        return Wait(
            environment.ref, environment.key, f"{newer}; waiting for further pushes", None, settled, WaitingFor.SETTLE
        )
    return Interrupt(environment.ref, newer)


def _wait_for_lane(environment: EnvironmentFacts, reason: str) -> Wait:
    return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.LANE)


def _obstacle(environment: EnvironmentFacts) -> Hold | None:
    record, ref = environment.record, environment.ref
    name = formatting.pulumi_name(ref)
    if (
        environment.duplicate_of is not None
    ):  # both carry one environment's name: destroying one would take the other's parts
        reason = f"a second stack for {environment.title}; {environment.duplicate_of} already exists"
        return Hold(ref, reason, f"pulumi stack rm --force --stack {name}")
    if record is None:
        return None
    if record.unreadable:  # unreadable is not absent
        return Hold(ref, f"its state could not be read: {record.unreadable}", f"pulumi stack export --stack {name}")
    tag = record.tag
    if tag is not None and environment.has_foreign_tag:
        other = formatting.reference(tag.repository_name, tag.key, tag.ref_name)
        reason = f"its tag says it belongs to {other}, but its name says {environment.title}"
        return Hold(ref, reason, f"pulumi stack tag ls --stack {name}")
    alive = [lock for lock in record.locks if not lock.owner_dead]
    if alive:  # whoever holds it may be at work
        lock = alive[0]
        owner = f"process {lock.pid} of {lock.user} on {lock.host} since {formatting.timestamp(lock.acquired_at)}"
        if not lock.pid:  # cut in the middle: it names nobody, so nobody can be proven dead
            owner = f"an unknown owner (the lock {lock.id} can't be read)"
        return Hold(ref, f"locked by {owner}, which may still be running", f"pulumi cancel --yes --stack {name}")
    return None


def _destroy(environment: EnvironmentFacts, unwanted: Unwanted, context: PlanContext) -> Action:
    ref, record = environment.ref, environment.record
    if record is None and unwanted.report_always:
        return Refuse(ref, environment.key, unwanted.reason)
    if record is None:
        return Keep(ref, environment.key, f"{unwanted.reason}; nothing to destroy")
    tried = backoff.count_attempts(environment, OperationVerb.DESTROY, "", context.now)
    pause = (
        None
        if _requested_since(environment, tried.last)
        else backoff.destroy_delay(tried, context.policy.backoff, ref, context.now)
    )
    if pause is not None and pause.until is not None:
        failed = (
            f"destroy failed {formatting.count(pause.attempts, 'time')}"
            if pause.attempts
            else "destroy was interrupted"
        )
        reason = f"{unwanted.reason}; {failed}; next attempt at {formatting.timestamp(pause.until)}"
        return Wait(ref, environment.key, reason, None, pause.until, WaitingFor.DESTROY)
    if unwanted.guarded and not context.stacks_complete:  # how many share this fate cannot be told
        return Hold(
            ref, f"{unwanted.reason}, but not all stacks could be read ({context.stacks_reason or 'unknown reason'})"
        )
    return Destroy(ref, environment.name, record.target, unwanted.reason, unwanted.guarded)


def _create(environment: EnvironmentFacts, recipe: Recipe, context: PlanContext) -> Action:
    if not context.stacks_complete:  # it may exist, where we could not look
        why = context.stacks_reason or "unknown reason"
        return Wait(environment.ref, environment.key, f"not all stacks could be read ({why}), so it may exist already")
    label = formatting.join_words(environment.request.pull.labels & recipe.labels) if environment.request else ""
    why = (
        f"has the label {label}"
        if environment.key.kind is RefKind.PULL
        else f"is a {environment.key.kind} that eph.yaml selects"
    )
    reason = f"{environment.title} {why} but no environment yet"
    return _wait_for_retry(environment, reason, context) or Create(
        environment.ref, environment.key, recipe.spec, _desired_tag(environment, recipe.spec, context), reason
    )


def _update(environment: EnvironmentFacts, record: StackRecord, recipe: Recipe, context: PlanContext) -> Action:
    spec = keep_name(recipe.spec, record.name)
    digest = recipe.digest if spec is recipe.spec else spec.digest
    tag = _desired_tag(environment, spec, context)
    need = repairs.needed_update(environment, recipe, digest, context)
    if need is None:
        changed = tag if tag != record.tag else None
        retag = _sleep_or_wake(environment, tag, context) or _retag(environment, changed, context)
        return retag or Keep(environment.ref, environment.key, _in_sync_reason(environment, record))
    wait = _delay_update(environment, record, need, context)
    if wait is not None:
        asleep = record.tag is not None and record.tag.asleep is not None
        rest = (
            _sleep_or_wake(environment, record.tag, context)
            if asleep or wait.waiting_for is WaitingFor.STALLED
            else None
        )
        return rest or _extend(environment, context) or wait
    awake = replace(tag, asleep=None, awake_until=None, half=False) if tag.asleep else tag  # a push wakes it
    changed = awake if awake != record.tag else None
    return Update(environment.ref, environment.key, spec, changed, need.reason, need.refresh, need.repair_note)


def _sleep_or_wake(
    environment: EnvironmentFacts, tag: StackTag | None, context: PlanContext
) -> Sleep | Wake | Retag | Wait | None:
    """What has to be done so that it sleeps, or is awake, as is wanted; ``tag`` is what else shall be on it."""
    rest, record = sleep_rules.needed_change(environment, context.policy, context.now), environment.record
    if rest is None or record is None or record.built is None or tag is None or record.tag is None:
        return None
    slept, now = record.tag.asleep, context.now.replace(microsecond=context.now.microsecond // 1000 * 1000)
    asleep = (slept if record.tag.half and slept else now) if rest.asleep else None
    wanted = replace(tag, asleep=asleep, awake_until=rest.until, half=False)
    if not rest.asleep and slept is None:
        return Retag(environment.ref, wanted, rest.reason) if wanted != record.tag else None
    tired = _sleep_backoff(environment, rest, context)
    if tired is not None:
        return tired
    if rest.asleep:
        return Sleep(environment.ref, record.name, record.target, wanted, rest.reason)
    return Wake(environment.ref, record.name, record.target, wanted, record.built.commit, rest.reason)


def _sleep_backoff(environment: EnvironmentFacts, change: sleep_rules.SleepChange, context: PlanContext) -> Wait | None:
    """Why it is not tried again yet, after it failed."""
    verb, limits = (OperationVerb.SLEEP if change.asleep else OperationVerb.WAKE), context.policy.backoff
    tried = backoff.count_attempts(environment, verb, "", context.now)
    if _requested_since(environment, tried.last, IntentKind.WAKE, IntentKind.SLEEP, IntentKind.RETRY):
        return None
    how = backoff.destroy_delay if change.asleep else backoff.build_delay
    found = how(tried, limits, environment.ref, context.now)
    if found is None:
        return None
    because = WaitingFor.STALLED if found.stalled else WaitingFor.BACKOFF
    what = "sleep" if change.asleep else "wake-up"
    again = (
        f"next attempt at {formatting.timestamp(found.until)}"
        if found.until
        else "push a new commit or run `eph wake` to retry"
    )
    failed = (
        f"{what} failed {formatting.count(found.attempts, 'time')}" if found.attempts else f"{what} was interrupted"
    )
    return Wait(environment.ref, environment.key, f"{change.reason}; {failed}; {again}", None, found.until, because)


def _delay_update(
    environment: EnvironmentFacts, record: StackRecord, need: repairs.NeededUpdate, context: PlanContext
) -> Wait | None:
    """Why an update that is needed does not start now."""
    known = {record.tag.commit if record.tag else "", record.built.commit if record.built else ""}
    settled = repairs.debounced_at(environment, context.policy) if environment.head not in known else None
    if settled is not None and settled > context.now:  # a push seldom comes alone
        reason = f"{need.reason}; waiting for further pushes"
        return Wait(environment.ref, environment.key, reason, None, settled, WaitingFor.SETTLE)
    asked = _requested_since(environment, record.built.built_at if record.built else None)
    if need.not_before is not None and need.not_before > context.now and not asked:
        reason = f"{need.reason}; earlier repairs did not help, next repair at {formatting.timestamp(need.not_before)}"
        return Wait(environment.ref, environment.key, reason, None, need.not_before, WaitingFor.BACKOFF)
    return _wait_for_retry(environment, need.reason, context)


def retry_delay(environment: EnvironmentFacts, context: PlanContext) -> backoff.RetryDelay | None:
    """How long the build of the head commit waits after what happened to earlier tries of it."""
    tried = backoff.count_attempts(environment, OperationVerb.UP, environment.head, context.now)
    if _requested_since(environment, tried.last):
        return None
    found = backoff.build_delay(tried, context.policy.backoff, environment.ref, context.now)
    asks = environment.request is not None and environment.request.retry_requested
    if found is not None and found.stalled and asks and tried.last is not None:  # never stalled, but never in a circle
        until = tried.last + context.policy.backoff.maximum
        return backoff.RetryDelay(found.attempts, until, stalled=False) if until > context.now else None
    return found


def _wait_for_retry(environment: EnvironmentFacts, reason: str, context: PlanContext) -> Wait | None:
    found = retry_delay(environment, context)
    if found is None:
        return None
    commit = formatting.commit(environment.head)
    failed = (
        f"the build of {commit} failed {formatting.count(found.attempts, 'time')}"
        if found.attempts
        else f"the build of {commit} was interrupted"
    )
    because = WaitingFor.STALLED if found.stalled else WaitingFor.BACKOFF
    again = (
        f"next attempt at {formatting.timestamp(found.until)}"
        if found.until
        else "push a new commit or run `eph up` to retry"
    )
    return Wait(environment.ref, environment.key, f"{reason}; {failed}; {again}", None, found.until, because)


def _requested_since(environment: EnvironmentFacts, last: datetime | None, *kinds: IntentKind) -> bool:
    """A person asked to try again, or to take it down, after the last try ended."""
    asked = [
        intent.at for intent in environment.intents if intent.kind in (kinds or (IntentKind.RETRY, IntentKind.DOWN))
    ]
    return bool(asked) and (last is None or max(asked) >= last)


def _extend(environment: EnvironmentFacts, context: PlanContext) -> Retag | None:
    """The tag with the time that people asked for, and nothing else changed."""
    tag = environment.tag
    until, keep = expiry.extended_until(environment, context.policy), expiry.is_kept(environment)
    if tag is None or (until, keep) == (tag.extended_until, tag.keep):
        return None
    return _retag(environment, replace(tag, extended_until=until, keep=keep), context)


def _retag(environment: EnvironmentFacts, tag: StackTag | None, context: PlanContext) -> Retag | None:
    if tag is None:
        return None
    tried = backoff.count_attempts(environment, OperationVerb.RETAG, "", context.now)
    if backoff.destroy_delay(tried, context.policy.backoff, environment.ref, context.now):
        return None
    old = environment.tag
    if old is not None and tag.keep != old.keep:
        return Retag(environment.ref, tag, "kept: it doesn't expire" if tag.keep else "expiry is on again")
    if old is not None and tag.extended_until != old.extended_until and tag.extended_until is not None:
        return Retag(environment.ref, tag, f"extended until {formatting.timestamp(tag.extended_until)}")
    return Retag(
        environment.ref, tag, f"updating its tag to commit {formatting.commit(tag.commit)} of {environment.title}"
    )


def _desired_tag(environment: EnvironmentFacts, spec: EnvironmentSpec, context: PlanContext) -> StackTag:
    old, key = environment.tag, environment.key
    repository_name = environment.repository.full_name if environment.repository else ""
    until = expiry.extended_until(environment, context.policy)
    seen, keep = expiry.commit_seen_at(environment, context.now), expiry.is_kept(environment)
    if old is None:
        made = StackTag(key, repository_name, spec.name, "", environment.head, seen, until, keep=keep)
        return replace(made, ref_name=environment.ref_name, target=spec.target)
    wanted = replace(
        old,
        repository_name=repository_name,
        commit=environment.head,
        extended_until=until,
        keep=keep,
        target=spec.target,
    )
    return old if wanted == old else replace(wanted, seen=seen)


def keep_name(spec: EnvironmentSpec, name: str) -> EnvironmentSpec:
    """A renamed repository keeps its environments' names, and with them their URLs and databases."""
    if not name or name == spec.name:
        return spec
    marks = {mark: name if value == spec.name else value for mark, value in spec.marks.items()}
    return replace(spec, name=name, host=spec.host.replace(spec.name, name, 1), marks=marks)


def _in_sync_reason(environment: EnvironmentFacts, record: StackRecord) -> str:
    if record.tag is not None and record.tag.asleep:
        since = f"since {formatting.timestamp(record.tag.asleep)}"
        return f"asleep {since} at the newest commit {formatting.commit(environment.head)}; a visit wakes it"
    return f"the newest commit {formatting.commit(environment.head)} is deployed"
