"""Locks that Pulumi leaves in a file backend, and the proof that an owner is dead (L8).

A lock is JSON with pid, host, user and time: no lease, no heartbeat. The owner is proven dead when the lock names this
host and no process has its pid, or one that started after the lock was taken and is no pulumi (the number was used
again, or the machine restarted; a clock that was set forward makes a living owner look younger than its lock, so the
time alone proves nothing). Anything else is left alone and shown: Pulumi itself cannot tell either.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stacks import process_identity
from stacks.model import StackLock, StackRef
from stacks.process_identity import ProcessStart

ProcessLookup = Callable[[int], ProcessStart | None]
_CLOCK_TOLERANCE = 2.0


class LockHeld(Exception):
    """Somebody holds the stack's lock and is not proven dead; the message says who, and what to do."""


def folder(backend: Path, ref: StackRef) -> Path:
    return backend / ".pulumi" / "locks" / "organization" / ref.project / ref.stack


def read(backend: Path, ref: StackRef, lookup: ProcessLookup = process_identity.describe) -> tuple[StackLock, ...]:
    where = folder(backend, ref)
    try:
        files = sorted(path for path in where.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return ()
    return tuple(lock for lock in (_read(path, lookup) for path in files) if lock is not None)


def raise_if_held(backend: Path, ref: StackRef) -> None:
    """Raises ``LockHeld`` when there is still a lock."""
    for lock in read(backend, ref)[:1]:
        owner = f"process {lock.pid} of {lock.user} on {lock.host} since {lock.acquired_at:%Y-%m-%d %H:%M:%S} UTC"
        raise LockHeld(
            f"the stack is locked by {owner if lock.pid else 'an owner that cannot be read'}, not proven dead; "
            f"once it surely is: pulumi cancel --yes --stack organization/{ref}"
        )


def break_dead(backend: Path, ref: StackRef, lookup: ProcessLookup = process_identity.describe) -> list[StackLock]:
    """Removes locks whose owner is proven dead, and gives them; the same that ``pulumi cancel`` does, with proof."""
    broken = [lock for lock in read(backend, ref, lookup) if lock.owner_dead]
    for lock in broken:
        (folder(backend, ref) / f"{lock.id}.json").unlink(missing_ok=True)
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
        # Cut in the middle: nobody can say whose it is, so it counts as held.
        return StackLock(path.stem, 0, "", "", datetime.fromtimestamp(0, UTC), owner_dead=False)


def _is_owner_dead(data: dict[str, Any], taken: datetime, lookup: ProcessLookup) -> bool:
    if data["hostname"] != socket.gethostname():
        return False
    found = lookup(int(data["pid"]))
    if found is None:
        return True
    return found.started > taken.timestamp() + _CLOCK_TOLERANCE and not found.name.startswith("pulumi")
