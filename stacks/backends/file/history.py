"""A stack's own update history: how often a commit was tried is read from here, never counted elsewhere.

``message`` carries what we tried, as ``eph up <commit>``. Pulumi knows only success and failure; an update that was
interrupted is no try of its commit, so ``mark_cancelled`` adds that word to its message. Pulumi never prunes; each
entry brings a whole checkpoint, so ``prune`` keeps the newest few.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from stacks.model import OperationVerb, Outcome, StackUpdate

MAX_READ = 12
MAX_KEPT = 20
_VERBS = {"update": OperationVerb.UP, "destroy": OperationVerb.DESTROY, "refresh": OperationVerb.REFRESH}
_ENTRY_SUFFIX = ".history.json"
_CANCELLED = "cancelled"


def message(verb: OperationVerb, commit: str) -> str:
    return f"eph {verb} {commit}".strip()


def read(folder: Path) -> tuple[StackUpdate, ...]:
    """The newest entries, oldest first; one that cannot be read is left out, as it says nothing."""
    found = (_entry(path) for path in _files(folder)[-MAX_READ:])
    return tuple(update for update in found if update is not None)


def never_succeeded(folder: Path) -> bool:
    """Nothing ever ended well here, as far back as it goes; what was pruned or cannot be read might have."""
    files = _files(folder)
    entries = [_entry(path) for path in files]
    return len(files) < MAX_KEPT and all(one is not None and one.outcome is not Outcome.SUCCEEDED for one in entries)


def prune(folder: Path) -> None:
    for path in _files(folder)[:-MAX_KEPT]:
        stem = path.name.removesuffix(_ENTRY_SUFFIX)
        path.unlink(missing_ok=True)
        path.with_name(f"{stem}.checkpoint.json").unlink(missing_ok=True)


def mark_cancelled(folder: Path, since: datetime) -> None:
    """Says of the newest entry that it was interrupted, when it ended since then and did not succeed."""
    for path in _files(folder)[-1:]:
        update = _entry(path)
        if update is None or update.outcome is not Outcome.FAILED or update.ended_at < since.replace(microsecond=0):
            return
        data = json.loads(path.read_bytes())
        data["message"] = f"{data['message']} {_CANCELLED}"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(data))
        fresh.replace(path)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_ENTRY_SUFFIX))
    except FileNotFoundError:
        return []


def _entry(path: Path) -> StackUpdate | None:
    try:
        data = json.loads(path.read_bytes())
        commit, cancelled = _read_message(str(data.get("message", "")))
        failed = Outcome.CANCELLED if cancelled else Outcome.FAILED
        return StackUpdate(
            verb=_VERBS[data["kind"]],
            commit=commit,
            outcome=Outcome.SUCCEEDED if data["result"] == "succeeded" else failed,
            ended_at=datetime.fromtimestamp(int(data["endTime"]), UTC),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _read_message(text: str) -> tuple[str, bool]:
    """The commit that was tried, and whether the try was interrupted; a message of somebody else says neither."""
    match text.split():
        case ["eph", "up", commit]:
            return commit, False
        case ["eph", "up", commit, word] if word == _CANCELLED:
            return commit, True
        case ["eph", _, word] if word == _CANCELLED:
            return "", True
    return "", False
