"""Locks that Pulumi leaves in a file backend, and the proof that an owner is dead (L8).

A lock is JSON with pid, host, user and time: no lease, no heartbeat. The owner is proven dead when the lock names this
host and no process has its pid, or one that started after the lock was taken (the number was used again, or the
machine restarted). Anything else is left alone and shown: Pulumi itself cannot tell either.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stacks import processes
from stacks.model import Lock, StackRef

StartOf = Callable[[int], float | None]
_SLACK = 2.0


def folder(backend: Path, ref: StackRef) -> Path:
    return backend / ".pulumi" / "locks" / "organization" / ref.project / ref.stack


def read(backend: Path, ref: StackRef, start_of: StartOf = processes.started_at) -> tuple[Lock, ...]:
    where = folder(backend, ref)
    try:
        files = sorted(path for path in where.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return ()
    return tuple(lock for lock in (_read(path, start_of) for path in files) if lock is not None)


def break_dead(backend: Path, ref: StackRef, start_of: StartOf = processes.started_at) -> list[Lock]:
    """Removes locks whose owner is proven dead, and gives them; the same that ``pulumi cancel`` does, with proof."""
    broken = [lock for lock in read(backend, ref, start_of) if lock.owner_dead]
    for lock in broken:
        (folder(backend, ref) / f"{lock.id}.json").unlink(missing_ok=True)
    return broken


def _read(path: Path, start_of: StartOf) -> Lock | None:
    try:
        data = json.loads(path.read_text())
        taken = datetime.fromisoformat(data["timestamp"]).astimezone(UTC)
        return Lock(
            id=path.stem,
            pid=int(data["pid"]),
            host=str(data["hostname"]),
            user=str(data["username"]),
            taken=taken,
            owner_dead=_dead(data, taken, start_of),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        # Cut in the middle: nobody can say whose it is, so it counts as held.
        return Lock(path.stem, 0, "", "", datetime.fromtimestamp(0, UTC), owner_dead=False)


def _dead(data: dict[str, Any], taken: datetime, start_of: StartOf) -> bool:
    if data["hostname"] != socket.gethostname():
        return False
    started = start_of(int(data["pid"]))
    return started is None or started > taken.timestamp() + _SLACK
