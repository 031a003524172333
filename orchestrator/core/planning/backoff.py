"""When to retry what failed: computed from the stack's history and the last result, so that it survives a restart.

An interrupted operation doesn't count as an attempt and continues at once; from the second interruption in a row, it
waits for the initial delay, so that it never loops. A failed destroy is retried forever. An end time in the future was
written before the clock was set back, and is ignored. The jitter is a hash of the stack's name: operations that fail
together aren't retried together, and the same facts always result in the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Backoff
from stacks.model import OperationVerb, Outcome, StackRef, StackUpdate

JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Attempts:
    """Consecutive failures of one operation. With ``failed`` 0 and a ``last``, it was only interrupted."""

    failed: int
    last: datetime | None
    retryable: bool = True
    interrupted: int = 0
    """Consecutive interruptions since the last failure."""


@dataclass(frozen=True, slots=True)
class RetryDelay:
    """``until`` is the earliest retry; None: only a new commit or a person can retry."""

    attempts: int
    until: datetime | None
    stalled: bool


def count_attempts(environment: EnvironmentFacts, verb: OperationVerb, commit: str, now: datetime) -> Attempts:
    """The last attempts of this operation: a build of ``commit``, or a destroy."""
    if environment.failure is None and not (environment.record and environment.record.history):
        return Attempts(0, None)
    entries = _trailing_failures(environment, verb, commit)
    failed = sum(entry.outcome is Outcome.FAILED for entry in entries)
    broke_off = len(list(takewhile(lambda entry: entry.outcome is Outcome.CANCELLED, entries)))
    ended = [entry.ended_at for entry in entries]
    last = environment.failure
    if last is None or last.verb is not verb or (verb is OperationVerb.UP and last.commit != commit):
        return Attempts(failed, _latest(ended, now), interrupted=broke_off)
    if last.outcome is Outcome.FAILED:
        failed = max(failed, environment.failed_attempts, 1)
    # An old failure doesn't count once a later attempt succeeded.
    if environment.record and any(
        _supersedes_failure(entry, verb, commit, last.ended) for entry in environment.record.history
    ):
        return Attempts(failed if entries else 0, _latest(ended, now), interrupted=broke_off)
    retryable = last.retryable or last.outcome is not Outcome.FAILED
    return Attempts(failed, _latest([*ended, last.ended], now), retryable, broke_off)


def _latest(moments: Iterable[datetime], now: datetime) -> datetime | None:
    return max((moment for moment in moments if moment <= now), default=None)


def build_delay(attempts: Attempts, backoff: Backoff, ref: StackRef, now: datetime) -> RetryDelay | None:
    """How long a build still waits; None: it may start."""
    if attempts.last is None:
        return None
    if not attempts.retryable:
        return RetryDelay(attempts.failed, None, stalled=True)
    if _retries_at_once(attempts):
        return None
    stalled = attempts.failed >= backoff.max_attempts
    wait = backoff.stalled_interval if stalled else backoff_delay(backoff, attempts.failed, ref)
    return _if_pending(RetryDelay(attempts.failed, attempts.last + wait, stalled), now)


def destroy_delay(attempts: Attempts, backoff: Backoff, ref: StackRef, now: datetime) -> RetryDelay | None:
    """The same for a destroy, which never stalls."""
    if attempts.last is None or _retries_at_once(attempts):
        return None
    return _if_pending(
        RetryDelay(attempts.failed, attempts.last + backoff_delay(backoff, attempts.failed, ref), stalled=False), now
    )


def _retries_at_once(attempts: Attempts) -> bool:
    """It didn't fail and was interrupted at most once, for example by a restart."""
    return not attempts.failed and attempts.interrupted <= 1


def backoff_delay(backoff: Backoff, failed: int, ref: StackRef) -> timedelta:
    steps = max(0, failed - 1)
    try:
        seconds = backoff.initial.total_seconds() * backoff.factor**steps
    except OverflowError:
        seconds = backoff.maximum.total_seconds()
    return timedelta(seconds=min(seconds, backoff.maximum.total_seconds()) * (1 + JITTER * _jitter_share(ref, failed)))


def _jitter_share(ref: StackRef, failed: int) -> float:
    """Between 0 and 1; constant for a stack and attempt."""
    return int.from_bytes(hashlib.sha256(f"{ref}#{failed}".encode()).digest()[:4], "big") / 2**32


def _if_pending(delay: RetryDelay, now: datetime) -> RetryDelay | None:
    return delay if delay.until and delay.until > now else None


def _trailing_failures(environment: EnvironmentFacts, verb: OperationVerb, commit: str) -> list[StackUpdate]:
    """The failures and interruptions of this operation at the end of the history."""
    history = sorted(environment.record.history, key=lambda entry: entry.ended_at) if environment.record else []
    operations = [entry for entry in history if entry.verb in (OperationVerb.UP, OperationVerb.DESTROY)]
    return list(takewhile(lambda entry: _failed_at(entry, verb, commit), reversed(operations)))


def _failed_at(entry: StackUpdate, verb: OperationVerb, commit: str) -> bool:
    return _is_same_operation(entry, verb, commit) and entry.outcome is not Outcome.SUCCEEDED


def _supersedes_failure(entry: StackUpdate, verb: OperationVerb, commit: str, since: datetime) -> bool:
    return _is_same_operation(entry, verb, commit) and entry.outcome is Outcome.SUCCEEDED and entry.ended_at >= since


def _is_same_operation(entry: StackUpdate, verb: OperationVerb, commit: str) -> bool:
    return entry.verb is verb and (verb is not OperationVerb.UP or entry.commit == commit)
