"""When something that failed is tried again: from the stack's own history and the last result, never from a counter
of ours alone, so that a restart forgets nothing that matters.

What was interrupted is not a try, and goes on at once; only from the second interruption in a row on it waits the first
pause, so that nothing turns in a circle. A failed destroy is retried for ever. An end that lies ahead was written
before the clock was set back, and holds nothing up. The jitter comes from a hash of the stack's name: many that fail
together do not return together, and the same facts always give the same moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from orchestrator.core.policy import Backoff
from orchestrator.core.subjects import Subject
from stacks.model import Outcome, StackRef, Update, Verb

JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Tries:
    """Failures in a row of one thing. ``failed`` 0 with a ``last``: it was interrupted, which is not its fault."""

    failed: int
    last: datetime | None
    retryable: bool = True
    broke_off: int = 0
    """How often in a row, since the last failure, it was interrupted."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Not before ``until``; None: only a new commit or a person helps."""

    tries: int
    until: datetime | None
    stalled: bool


def tries(subject: Subject, verb: Verb, commit: str, now: datetime) -> Tries:
    """What is known of the last tries of this very thing: a build of ``commit``, or the destroy."""
    if subject.failure is None and not (subject.record and subject.record.history):
        return Tries(0, None)
    entries = _trailing(subject, verb, commit)
    failed = sum(entry.outcome is Outcome.FAILED for entry in entries)
    broke_off = len(list(takewhile(lambda entry: entry.outcome is Outcome.CANCELLED, entries)))
    ended = [entry.ended for entry in entries]
    last = subject.failure
    if last is None or last.verb is not verb or (verb is Verb.UP and last.commit != commit):
        return Tries(failed, _latest(ended, now), broke_off=broke_off)
    if last.outcome is Outcome.FAILED:
        failed = max(failed, subject.tries, 1)
    # An old failure is forgiven once a later try is known to have succeeded.
    if subject.record and any(_overcomes(entry, verb, commit, last.ended) for entry in subject.record.history):
        return Tries(failed if entries else 0, _latest(ended, now), broke_off=broke_off)
    retryable = last.retryable or last.outcome is not Outcome.FAILED
    return Tries(failed, _latest([*ended, last.ended], now), retryable, broke_off)


def _latest(moments: Iterable[datetime], now: datetime) -> datetime | None:
    return max((moment for moment in moments if moment <= now), default=None)


def build_pause(tried: Tries, backoff: Backoff, ref: StackRef, now: datetime) -> Pause | None:
    """How long a build still waits; None: it may go on."""
    if tried.last is None:
        return None
    if not tried.retryable:
        return Pause(tried.failed, None, stalled=True)
    if _goes_on(tried):
        return None
    stalled = tried.failed >= backoff.tries
    wait = backoff.stalled_every if stalled else delay(backoff, tried.failed, ref)
    return _still(Pause(tried.failed, tried.last + wait, stalled), now)


def destroy_pause(tried: Tries, backoff: Backoff, ref: StackRef, now: datetime) -> Pause | None:
    """The same for a destroy, which is never given up."""
    if tried.last is None or _goes_on(tried):
        return None
    return _still(Pause(tried.failed, tried.last + delay(backoff, tried.failed, ref), stalled=False), now)


def _goes_on(tried: Tries) -> bool:
    """Nothing failed, and it was interrupted once: by a restart, say."""
    return not tried.failed and tried.broke_off <= 1


def delay(backoff: Backoff, failed: int, ref: StackRef) -> timedelta:
    steps = max(0, failed - 1)
    try:
        seconds = backoff.first.total_seconds() * backoff.factor**steps
    except OverflowError:
        seconds = backoff.most.total_seconds()
    return timedelta(seconds=min(seconds, backoff.most.total_seconds()) * (1 + JITTER * _share(ref, failed)))


def _share(ref: StackRef, failed: int) -> float:
    """Between 0 and 1, the same for the same stack and try."""
    return int.from_bytes(hashlib.sha256(f"{ref}#{failed}".encode()).digest()[:4], "big") / 2**32


def _still(pause: Pause, now: datetime) -> Pause | None:
    return pause if pause.until and pause.until > now else None


def _trailing(subject: Subject, verb: Verb, commit: str) -> list[Update]:
    """The failures and interruptions at the end of the history that are of this very thing."""
    history = sorted(subject.record.history, key=lambda entry: entry.ended) if subject.record else []
    operations = [entry for entry in history if entry.verb in (Verb.UP, Verb.DESTROY)]
    return list(takewhile(lambda entry: _failed_at(entry, verb, commit), reversed(operations)))


def _failed_at(entry: Update, verb: Verb, commit: str) -> bool:
    return _same(entry, verb, commit) and entry.outcome is not Outcome.SUCCEEDED


def _overcomes(entry: Update, verb: Verb, commit: str, since: datetime) -> bool:
    return _same(entry, verb, commit) and entry.outcome is Outcome.SUCCEEDED and entry.ended >= since


def _same(entry: Update, verb: Verb, commit: str) -> bool:
    return entry.verb is verb and (verb is not Verb.UP or entry.commit == commit)
