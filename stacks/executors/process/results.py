"""Results of operations as the executor reports them, including operations whose worker returned none."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from programs.redaction import Redactor
from stacks.executors.process import wording
from stacks.executors.process.worker_protocol import GRACE, WorkerExit
from stacks.model import Operation, OperationResult, Outcome

_TAIL_LINES = 20


def now() -> datetime:
    return datetime.now(UTC)


def without_worker(operation: Operation, started: datetime, outcome: Outcome, error: str) -> OperationResult:
    return OperationResult(
        ref=operation.ref,
        verb=operation.verb,
        outcome=outcome,
        commit=operation.commit,
        started=started,
        ended=now(),
        error=error,
    )


def of_silent_worker(operation: Operation, started: datetime, worker_exit: WorkerExit, log: Path) -> OperationResult:
    """Unlike an interrupt, a missed deadline is the commit's own failure and counts as an attempt."""
    if worker_exit.interrupted:
        return without_worker(operation, started, Outcome.CANCELLED, wording.interrupted_and_killed(GRACE))
    late = wording.deadline_exceeded_and_killed(operation.deadline)
    error = late if worker_exit.timed_out else wording.NO_RESULT
    tail: tuple[str, ...] = ()
    with contextlib.suppress(OSError):
        tail = tuple(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
    return replace(without_worker(operation, started, Outcome.FAILED, error), tail=tail)


def redacted(result: OperationResult, redactor: Redactor) -> OperationResult:
    """The result with secret values redacted from everything that people read."""
    tail = tuple(redactor(line) for line in result.tail)
    return replace(result, error=redactor(result.error), step=redactor(result.step), tail=tail)
