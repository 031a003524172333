"""Locks in the format that Pulumi's own backends share, and the proof that an owner is dead (L8).

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
from typing import Any

from stacks import process_identity
from stacks.model import StackLock
from stacks.process_identity import ProcessStart

ProcessLookup = Callable[[int], ProcessStart | None]
_CLOCK_TOLERANCE = 2.0


def parse(lock_id: str, text: str | bytes, lookup: ProcessLookup = process_identity.describe) -> StackLock:
    """Never raises: the owner of a truncated lock is unknown, so it counts as held."""
    try:
        data = json.loads(text)
        taken = datetime.fromisoformat(data["timestamp"]).astimezone(UTC)
        return StackLock(
            id=lock_id,
            pid=int(data["pid"]),
            host=str(data["hostname"]),
            user=str(data["username"]),
            acquired_at=taken,
            owner_dead=_is_owner_dead(data, taken, lookup),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return StackLock(lock_id, 0, "", "", datetime.fromtimestamp(0, UTC), owner_dead=False)


def _is_owner_dead(data: dict[str, Any], taken: datetime, lookup: ProcessLookup) -> bool:
    if data["hostname"] != socket.gethostname():
        return False
    found = lookup(int(data["pid"]))
    if found is None:
        return True
    return found.started > taken.timestamp() + _CLOCK_TOLERANCE and not found.name.startswith("pulumi")
