"""The update history of a stack as files: one entry and one checkpoint for each update."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from programs.kit import files
from stacks.backends import update_history
from stacks.backends.update_history import MAX_KEPT, MAX_READ
from stacks.model import StackUpdate

_ENTRY_SUFFIX = ".history.json"


def read(folder: Path) -> tuple[StackUpdate, ...]:
    """The newest entries, oldest first. One that can't be read is left out."""
    found = (_entry(path) for path in _files(folder)[-MAX_READ:])
    return tuple(update for update in found if update is not None)


def never_succeeded(folder: Path) -> bool:
    return update_history.never_succeeded([_entry(path) for path in _files(folder)])


def prune(folder: Path) -> None:
    for path in _files(folder)[:-MAX_KEPT]:
        stem = path.name.removesuffix(_ENTRY_SUFFIX)
        path.unlink(missing_ok=True)
        path.with_name(f"{stem}.checkpoint.json").unlink(missing_ok=True)


def mark_cancelled(folder: Path, since: datetime) -> None:
    """Marks the newest entry as interrupted if it ended since then and did not succeed."""
    for path in _files(folder)[-1:]:
        update = _entry(path)
        if update is None or not update_history.ended_in_failure_since(update, since):
            return
        data = json.loads(path.read_bytes())
        data["message"] = update_history.cancelled_message(data["message"])
        files.write(path, json.dumps(data), mode=0o644)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_ENTRY_SUFFIX))
    except FileNotFoundError:
        return []


def _entry(path: Path) -> StackUpdate | None:
    try:
        return update_history.parse(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None
