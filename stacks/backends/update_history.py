"""A stack's update history. The number of attempts at a commit is read from here, never counted elsewhere.

``message`` says what was attempted, as ``eph up <commit>``. Pulumi knows only success and failure. An interrupted
update doesn't count as an attempt, so a backend adds the word ``cancelled`` to its message. Pulumi never prunes, and
each entry comes with a whole checkpoint, so a backend keeps only the newest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from stacks.model import OperationVerb, Outcome, StackUpdate

MAX_READ = 12
MAX_KEPT = 20
_VERBS = {"update": OperationVerb.UP, "destroy": OperationVerb.DESTROY, "refresh": OperationVerb.REFRESH}
_CANCELLED = "cancelled"


def message(verb: OperationVerb, commit: str) -> str:
    return f"eph {verb} {commit}".strip()


def cancelled_message(text: str) -> str:
    return f"{text} {_CANCELLED}"


def parse(entry: Mapping[str, Any]) -> StackUpdate | None:
    """One entry in Pulumi's format; None if it isn't one."""
    try:
        commit, cancelled = _parse_message(str(entry.get("message", "")))
        failed = Outcome.CANCELLED if cancelled else Outcome.FAILED
        return StackUpdate(
            verb=_VERBS[entry["kind"]],
            commit=commit,
            outcome=Outcome.SUCCEEDED if entry["result"] == "succeeded" else failed,
            ended_at=datetime.fromtimestamp(int(entry["endTime"]), UTC),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def never_succeeded(entries: Sequence[StackUpdate | None]) -> bool:
    """No update ever succeeded, as far back as the history goes. ``entries`` are all that the backend has, None for one
    that can't be read: that one might have succeeded, and so might one that was pruned."""
    return len(entries) < MAX_KEPT and all(one is not None and one.outcome is not Outcome.SUCCEEDED for one in entries)


def ended_in_failure_since(update: StackUpdate, since: datetime) -> bool:
    """Whether an operation that began then and was interrupted wrote this update. Pulumi's times are whole seconds."""
    return update.outcome is Outcome.FAILED and update.ended_at >= since.replace(microsecond=0)


def _parse_message(text: str) -> tuple[str, bool]:
    """The commit, and whether the attempt was interrupted. Messages of other authors have neither."""
    match text.split():
        case ["eph", "up", commit]:
            return commit, False
        case ["eph", "up", commit, word] if word == _CANCELLED:
            return commit, True
        case ["eph", _, word] if word == _CANCELLED:
            return "", True
    return "", False
