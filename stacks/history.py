"""A stack's own update history: how often a commit was tried is read from here, never counted elsewhere.

``message`` carries what we tried, as ``eph up <commit>``. Pulumi never prunes; each entry brings a whole checkpoint,
so ``prune`` keeps the newest few.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from stacks.model import Outcome, Update, Verb

NEWEST = 12
KEPT = 20
_KINDS = {"update": Verb.UP, "destroy": Verb.DESTROY, "refresh": Verb.REFRESH}
_SUFFIX = ".history.json"


def message(verb: Verb, commit: str) -> str:
    return f"eph {verb} {commit}".strip()


def read(folder: Path) -> tuple[Update, ...]:
    """The newest entries, oldest first; one that cannot be read is left out, as it says nothing."""
    found = (_entry(path) for path in _files(folder)[-NEWEST:])
    return tuple(update for update in found if update is not None)


def prune(folder: Path) -> None:
    for path in _files(folder)[:-KEPT]:
        stem = path.name.removesuffix(_SUFFIX)
        path.unlink(missing_ok=True)
        path.with_name(f"{stem}.checkpoint.json").unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIX))
    except FileNotFoundError:
        return []


def _entry(path: Path) -> Update | None:
    try:
        data = json.loads(path.read_bytes())
        verb = _KINDS[data["kind"]]
        words = str(data.get("message", "")).split()
        return Update(
            verb=verb,
            commit=words[2] if len(words) == 3 and words[0] == "eph" else "",
            outcome=Outcome.SUCCEEDED if data["result"] == "succeeded" else Outcome.FAILED,
            ended=datetime.fromtimestamp(int(data["endTime"]), UTC),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
