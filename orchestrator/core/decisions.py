"""One environment, one action: what should be, against what is. ``decide`` reads like a table, from the top.

Limits are not looked at here: what this wants to start may still have to queue (``queues``) or be held (``guards``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from orchestrator.core import backoff, expiries, reasons, repairs, rests
from orchestrator.core.actions import (
    Action,
    Because,
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
    Wake,
)
from orchestrator.core.model import Recipe, Running
from orchestrator.core.subjects import Subject
from orchestrator.core.wishes import At, Stay, Unwanted, Wanted, Wish
from programs.spec import EnvironmentSpec
from stacks.model import RefKind, StackRecord, Tag, Verb


def decide(subject: Subject, wish: Wish, at: At) -> Action:
    if subject.running is not None:  # one lane per stack: at most end early what runs
        return _under_way(subject, subject.running, wish, at)
    obstacle = _obstacle(subject)
    if obstacle is not None:  # nothing can be done to it safely
        return obstacle
    match wish:
        case Stay(action):  # not enough is known, or it may not be built: it stays, but people may still extend it
            may = isinstance(action, Wait | Refuse | Find)
            return (may and (_rest(subject, subject.tag, at) or _extension(subject, at))) or action
        case Unwanted():
            return _remove(subject, wish, at)
        case Wanted(recipe):
            return _make(subject, recipe, at) if subject.record is None else _mend(subject, subject.record, recipe, at)
        case _:
            assert_never(wish)


def _under_way(subject: Subject, running: Running, wish: Wish, at: At) -> Action:
    busy = f"{running.verb} of {reasons.commit(running.commit)}" if running.commit else f"{running.verb}"
    if isinstance(wish, Stay) and isinstance(wish.action, Confirm):  # only a question, and the answer may end it
        return wish.action
    if running.elsewhere:  # nobody here can end it early
        return _lane(subject, f"{busy}, begun by another replica, ends first")
    if running.interrupting:  # it was told already
        return _lane(subject, f"{busy} is being ended")
    makes = running.verb in (Verb.UP, Verb.WAKE)
    if makes and isinstance(wish, Unwanted) and not wish.guarded:  # what it makes is not wanted
        return Interrupt(subject.ref, wish.reason, unwanted=True)
    if running.verb is Verb.UP and isinstance(wish, Wanted) and running.commit != subject.head:
        return _supersede(subject, running, at)
    if running.verb is Verb.DESTROY and isinstance(wish, Wanted):  # let it finish, then make it anew
        return _lane(subject, "it is wanted again; the destroy under way ends first")
    return _lane(subject, f"{busy} is under way")


def _supersede(subject: Subject, running: Running, at: At) -> Action:
    newer = f"{reasons.commit(subject.head)} is newer than {reasons.commit(running.commit)}"
    if running.superseded >= at.policy.supersede_most:  # a storm of pushes must not starve the update
        times = reasons.count(running.superseded, "time")
        return _lane(subject, f"{newer}, but the update was superseded {times} in a row and now ends first")
    settled = repairs.settled_at(subject, at.policy)
    if settled is not None and settled > at.now:  # perhaps the next push is a second away
        return Wait(subject.ref, subject.key, f"{newer}; waits for pushes to end", None, settled, Because.SETTLE)
    return Interrupt(subject.ref, newer)


def _lane(subject: Subject, reason: str) -> Wait:
    return Wait(subject.ref, subject.key, reason, because=Because.LANE)


def _obstacle(subject: Subject) -> Hold | None:
    record, ref = subject.record, subject.ref
    name = reasons.pulumi_name(ref)
    if subject.twin is not None:  # both carry one environment's name: destroying one would take the other's parts
        reason = f"a second stack for {subject.title}, which {subject.twin} already serves"
        return Hold(ref, reason, f"pulumi stack rm --force --stack {name}")
    if record is None:
        return None
    if record.unreadable:  # unreadable is not absent
        return Hold(ref, f"its state could not be read: {record.unreadable}", f"pulumi stack export --stack {name}")
    tag = record.tag
    if tag is not None and subject.is_mistaken:
        reason = f"its tag says that it belongs to {tag.repository_name}#{tag.number}, its name to {subject.title}"
        return Hold(ref, reason, f"pulumi stack tag ls --stack {name}")
    alive = [lock for lock in record.locks if not lock.owner_dead]
    if alive:  # whoever holds it may be at work
        lock = alive[0]
        owner = f"process {lock.pid} of {lock.user} on {lock.host} since {reasons.moment(lock.taken)}"
        if not lock.pid:  # cut in the middle: it names nobody, so nobody can be proven dead
            owner = f"somebody unknown (the lock {lock.id} cannot be read)"
        return Hold(ref, f"locked by {owner}, not proven dead", f"pulumi cancel --yes --stack {name}")
    return None


def _remove(subject: Subject, wish: Unwanted, at: At) -> Action:
    ref, record = subject.ref, subject.record
    if record is None and wish.loud:
        return Refuse(ref, subject.key, wish.reason)
    if record is None:
        return Keep(ref, subject.key, f"{wish.reason}, and nothing exists")
    tried = backoff.tries(subject, Verb.DESTROY, "", at.now)
    pause = None if _asked_since(subject, tried.last) else backoff.destroy_pause(tried, at.policy.backoff, ref, at.now)
    if pause is not None and pause.until is not None:
        failed = f"the destroy failed {reasons.count(pause.tries, 'time')}" if pause.tries else "the destroy broke off"
        reason = f"{wish.reason}; {failed}, tried again at {reasons.moment(pause.until)}"
        return Wait(ref, subject.key, reason, None, pause.until, Because.DESTROY)
    if wish.guarded and not at.stacks_complete:  # how many share this fate cannot be told
        return Hold(ref, f"{wish.reason}, but not all stacks could be read ({at.stacks_reason or 'no reason given'})")
    return Destroy(ref, subject.name, record.target, wish.reason, wish.guarded)


def _make(subject: Subject, recipe: Recipe, at: At) -> Action:
    if not at.stacks_complete:  # it may exist, where we could not look
        why = at.stacks_reason or "no reason given"
        return Wait(subject.ref, subject.key, f"not all stacks could be read ({why}), so it may exist already")
    label = reasons.listing(subject.candidate.pull.labels & recipe.labels) if subject.candidate else ""
    why = (
        f"has the label {label}" if subject.key.kind is RefKind.PULL else f"is a {subject.key.kind} that eph.yaml names"
    )
    reason = f"{subject.title} {why} and no environment yet"
    return _paused(subject, reason, at) or Create(
        subject.ref, subject.key, recipe.spec, _wanted_tag(subject, recipe.spec, at), reason
    )


def _mend(subject: Subject, record: StackRecord, recipe: Recipe, at: At) -> Action:
    spec = named_as_before(recipe.spec, record.name)
    digest = recipe.digest if spec is recipe.spec else spec.digest
    tag = _wanted_tag(subject, spec, at)
    need = repairs.need(subject, recipe, digest, at)
    if need is None:
        changed = tag if tag != record.tag else None
        retag = _rest(subject, tag, at) or _retag(subject, changed, at)
        return retag or Keep(subject.ref, subject.key, _as_it_should_be(subject, record))
    wait = _not_yet(subject, record, need, at)
    if wait is not None:
        asleep = record.tag is not None and record.tag.asleep is not None
        rest = _rest(subject, record.tag, at) if asleep or wait.because is Because.STALLED else None
        return rest or _extension(subject, at) or wait
    awake = replace(tag, asleep=None, awake_until=None, half=False) if tag.asleep else tag  # a push wakes it
    changed = awake if awake != record.tag else None
    return Update(subject.ref, subject.key, spec, changed, need.reason, need.refresh, need.mends)


def _rest(subject: Subject, tag: Tag | None, at: At) -> Sleep | Wake | Retag | Wait | None:
    """What has to be done so that it sleeps, or is awake, as is wanted; ``tag`` is what else shall be on it."""
    rest, record = rests.wanted(subject, at.policy, at.now), subject.record
    if rest is None or record is None or record.built is None or tag is None or record.tag is None:
        return None
    slept, now = record.tag.asleep, at.now.replace(microsecond=0)
    asleep = (slept if record.tag.half and slept else now) if rest.asleep else None
    wanted = replace(tag, asleep=asleep, awake_until=rest.until, half=False)
    if not rest.asleep and slept is None:
        return Retag(subject.ref, wanted, rest.reason) if wanted != record.tag else None
    tired = _tired(subject, rest, at)
    if tired is not None:
        return tired
    if rest.asleep:
        return Sleep(subject.ref, record.name, record.target, wanted, rest.reason)
    return Wake(subject.ref, record.name, record.target, wanted, record.built.commit, rest.reason)


def _tired(subject: Subject, rest: rests.Rest, at: At) -> Wait | None:
    """Why it is not tried again yet, after it failed."""
    verb, limits = (Verb.SLEEP if rest.asleep else Verb.WAKE), at.policy.backoff
    tried = backoff.tries(subject, verb, "", at.now)
    if _asked_since(subject, tried.last, "wake", "sleep", "retry"):
        return None
    how = backoff.destroy_pause if rest.asleep else backoff.build_pause
    found = how(tried, limits, subject.ref, at.now)
    if found is None:
        return None
    because = Because.STALLED if found.stalled else Because.BACKOFF
    what = "putting it to sleep" if rest.asleep else "waking it"
    again = f"tried again at {reasons.moment(found.until)}" if found.until else "only a new commit or `eph wake` helps"
    failed = f"{what} failed {reasons.count(found.tries, 'time')}" if found.tries else f"{what} was interrupted"
    return Wait(subject.ref, subject.key, f"{rest.reason}; {failed}, {again}", None, found.until, because)


def _not_yet(subject: Subject, record: StackRecord, need: repairs.Need, at: At) -> Wait | None:
    """Why an update that is needed does not start now."""
    known = {record.tag.commit if record.tag else "", record.built.commit if record.built else ""}
    settled = repairs.settled_at(subject, at.policy) if subject.head not in known else None
    if settled is not None and settled > at.now:  # a push seldom comes alone
        reason = f"{need.reason}; waits for pushes to end"
        return Wait(subject.ref, subject.key, reason, None, settled, Because.SETTLE)
    asked = _asked_since(subject, record.built.at if record.built else None)
    if need.until is not None and need.until > at.now and not asked:
        reason = f"{need.reason}; repairs did not help so far, the next is at {reasons.moment(need.until)}"
        return Wait(subject.ref, subject.key, reason, None, need.until, Because.BACKOFF)
    return _paused(subject, need.reason, at)


def pause(subject: Subject, at: At) -> backoff.Pause | None:
    """How long the build of the head commit waits after what happened to earlier tries of it."""
    tried = backoff.tries(subject, Verb.UP, subject.head, at.now)
    if _asked_since(subject, tried.last):
        return None
    found = backoff.build_pause(tried, at.policy.backoff, subject.ref, at.now)
    asks = subject.candidate is not None and subject.candidate.retry_requested
    if found is not None and found.stalled and asks and tried.last is not None:  # never stalled, but never in a circle
        until = tried.last + at.policy.backoff.most
        return backoff.Pause(found.tries, until, stalled=False) if until > at.now else None
    return found


def _paused(subject: Subject, reason: str, at: At) -> Wait | None:
    found = pause(subject, at)
    if found is None:
        return None
    commit = reasons.commit(subject.head)
    failed = f"{commit} failed {reasons.count(found.tries, 'time')}" if found.tries else f"{commit} was interrupted"
    because = Because.STALLED if found.stalled else Because.BACKOFF
    again = f"tried again at {reasons.moment(found.until)}" if found.until else "only a new commit or `eph up` helps"
    return Wait(subject.ref, subject.key, f"{reason}; {failed}, {again}", None, found.until, because)


def _asked_since(subject: Subject, last: datetime | None, *kinds: str) -> bool:
    """A person asked to try again, or to take it down, after the last try ended."""
    asked = [intent.at for intent in subject.intents if intent.kind in (kinds or ("retry", "down"))]
    return bool(asked) and (last is None or max(asked) >= last)


def _extension(subject: Subject, at: At) -> Retag | None:
    """The tag with the time that people asked for, and nothing else changed."""
    tag = subject.tag
    until, keep = expiries.extended_until(subject, at.policy), expiries.kept(subject)
    if tag is None or (until, keep) == (tag.extended_until, tag.keep):
        return None
    return _retag(subject, replace(tag, extended_until=until, keep=keep), at)


def _retag(subject: Subject, tag: Tag | None, at: At) -> Retag | None:
    if tag is None:
        return None
    tried = backoff.tries(subject, Verb.RETAG, "", at.now)
    if backoff.destroy_pause(tried, at.policy.backoff, subject.ref, at.now):
        return None
    old = subject.tag
    if old is not None and tag.keep != old.keep:
        return Retag(subject.ref, tag, "kept: it does not expire" if tag.keep else "its time counts again")
    if old is not None and tag.extended_until != old.extended_until and tag.extended_until is not None:
        return Retag(subject.ref, tag, f"extended until {reasons.moment(tag.extended_until)}")
    return Retag(subject.ref, tag, f"its tag is brought up to {reasons.commit(tag.commit)} of {subject.title}")


def _wanted_tag(subject: Subject, spec: EnvironmentSpec, at: At) -> Tag:
    old, key = subject.tag, subject.key
    repository_name = subject.repository.full_name if subject.repository else ""
    until = expiries.extended_until(subject, at.policy)
    seen, keep = expiries.newest_seen(subject, at.now), expiries.kept(subject)
    if old is None:
        made = Tag(key.repository, repository_name, key.number, spec.name, "", subject.head, seen, until, keep=keep)
        return replace(made, ref_name=subject.ref_name, target=spec.target)
    wanted = replace(
        old, repository_name=repository_name, commit=subject.head, extended_until=until, keep=keep, target=spec.target
    )
    return old if wanted == old else replace(wanted, seen=seen)


def named_as_before(spec: EnvironmentSpec, name: str) -> EnvironmentSpec:
    """A renamed repository keeps its environments' names, and with them their URLs and databases."""
    if not name or name == spec.name:
        return spec
    marks = {mark: name if value == spec.name else value for mark, value in spec.marks.items()}
    return replace(spec, name=name, host=spec.host.replace(spec.name, name, 1), marks=marks)


def _as_it_should_be(subject: Subject, record: StackRecord) -> str:
    if record.tag is not None and record.tag.asleep:
        since = f"since {reasons.moment(record.tag.asleep)}"
        return f"asleep at {reasons.commit(subject.head)}, the newest commit, {since}; a visit wakes it"
    return f"{reasons.commit(subject.head)} is built, as wanted"
