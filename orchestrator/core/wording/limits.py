"""Limits on environments and operations, and the notes of a plan."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.util import formatting
from orchestrator.core.wording.common import UNKNOWN_REASON
from stacks.model import RefKind


def server_full(count: int, limit: int) -> str:
    return f"the server has {count} environments; the limit is {limit}"


def repository_full(count: int, limit: int) -> str:
    return f"the repository has {count} environments; the limit is {limit}"


def operation_limit(number: int, low_memory: bool) -> str:
    why = "memory is low: " if low_memory else ""
    return f"{why}at most {formatting.count(number, 'operation')} can run at a time"


def queued(reason: str, limit: str, position: int) -> str:
    return f"{reason}; {limit}; position {position} in the queue"


def sleep_queued(reason: str, limit: int) -> str:
    return f"{reason}; at most {limit} environments go to sleep or wake up at a time"


def destroy_queued(reason: str, limit: int) -> str:
    return f"{reason}; waiting for one of {formatting.count(limit, 'running operation')} to finish"


def memory_limit(available: int, per_operation: int, limit: int) -> str:
    free, each = (round(number / 1_000_000) for number in (available, per_operation))
    return f"{free} MB of memory are free and an operation needs {each} MB, so at most {limit} run at a time"


def too_many_destroys(count: int, recent: int, window: str, limit: int) -> str:
    return (
        f"{formatting.count(count, 'environment')} would be destroyed although the Git host doesn't report "
        f"them closed, after {recent} within {window}; the limit is {limit}"
    )


def destroy_needs_approval(reason: str, note: str) -> str:
    return f"{reason}; {note}"


def how_to_approve(note: str, command: str) -> str:
    return f"{note}; to allow it, run `eph approve {command}`"


NOTHING_TO_DO = "nothing to do"


def note_stacks(problem: str) -> str:
    return f"not all stacks could be read: {problem or UNKNOWN_REASON}"


def note_repository(name: str, problem: str) -> str:
    return f"{name} couldn't be read completely: {problem or UNKNOWN_REASON}"


def note_kinds(name: str, kinds: Iterable[RefKind], problem: str) -> str:
    what = formatting.join_words(_PLURALS[kind] for kind in kinds)
    return f"{what} of {name} couldn't be read completely: {problem or UNKNOWN_REASON}"


_PLURALS = {
    RefKind.PULL: "pull requests",
    RefKind.BRANCH: "branches",
    RefKind.TAG: "tags",
    RefKind.DEPLOY: "label deploys",
}
