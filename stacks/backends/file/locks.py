"""Locks that Pulumi leaves in a file backend, and the proof that an owner is dead (L8).

A lock is JSON with pid, host, user and time: no lease, no heartbeat. The owner is proven dead if the lock names this
host and no process has its pid, or if the process started after the lock was taken and isn't pulumi (the pid was
reused, or the machine restarted; a clock that was set forward makes a living owner look younger than its lock, so the
time alone proves nothing). Any other lock is left alone and shown: Pulumi itself can't tell either.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stacks import process_identity
from stacks.model import StackLock
from stacks.process_identity import ProcessStart

ProcessLookup = Callable[[int], ProcessStart | None]
_CLOCK_TOLERANCE = 2.0


def read(folder: Path, lookup: ProcessLookup = process_identity.describe) -> tuple[StackLock, ...]:
    """The locks in the folder of one stack."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return ()
    return tuple(lock for lock in (_read(path, lookup) for path in files) if lock is not None)


def break_dead(folder: Path, lookup: ProcessLookup = process_identity.describe) -> tuple[StackLock, ...]:
    """Removes locks whose owner is proven dead, and returns them: what ``pulumi cancel`` does, but with proof."""
    broken = tuple(lock for lock in read(folder, lookup) if lock.owner_dead)
    for lock in broken:
        (folder / f"{lock.id}.json").unlink(missing_ok=True)
    return broken


def _read(path: Path, lookup: ProcessLookup) -> StackLock | None:
    try:
        data = json.loads(path.read_text())
        taken = datetime.fromisoformat(data["timestamp"]).astimezone(UTC)
        return StackLock(
            id=path.stem,
            pid=int(data["pid"]),
            host=str(data["hostname"]),
            user=str(data["username"]),
            acquired_at=taken,
            owner_dead=_is_owner_dead(data, taken, lookup),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # Truncated: its owner is unknown, so it counts as held.
        return StackLock(path.stem, 0, "", "", datetime.fromtimestamp(0, UTC), owner_dead=False)


def _is_owner_dead(data: dict[str, Any], taken: datetime, lookup: ProcessLookup) -> bool:
    if data["hostname"] != socket.gethostname():
        return False
    found = lookup(int(data["pid"]))
    if found is None:
        return True
    return found.started > taken.timestamp() + _CLOCK_TOLERANCE and not found.name.startswith("pulumi")
