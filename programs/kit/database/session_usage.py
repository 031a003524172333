"""What each environment's role uses of the server that all share, and which role uses too much.

A full lock table refuses whatever needs an entry in it, such as reading a catalog that all databases share. So a
measurement calls functions instead of reading views, and knows roles by number.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg

from programs.kit.processes import process_table

ADMINISTRATOR = 10
"""The number of the role that initdb creates."""
GIGABYTE = 1024**3
_SESSIONS = """
SELECT a.usesysid::bigint, a.pid, coalesce(l.locks, 0),
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8
  FROM pg_stat_get_activity(NULL) a
  LEFT JOIN (SELECT pid, count(*) AS locks FROM pg_lock_status() GROUP BY pid) l ON l.pid = a.pid
 WHERE a.usesysid <> %s
"""
_TITLE = re.compile(r"postgres: (eph_\w+) eph_\w+ ")
_TEMPORARY = re.compile(r"pgsql_tmp(\d+)\.")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BLOCK = 512


class SharedResource(StrEnum):
    LOCKS = "locks"
    MEMORY = "memory"
    TEMPORARY_FILES = "temporary files"
    NOTIFICATIONS = "notifications"


@dataclass(frozen=True, slots=True)
class RoleUsage:
    """``memory`` and ``temporary`` in bytes. ``transaction``: the seconds since its oldest one began."""

    role: int
    processes: frozenset[int] = frozenset()
    locks: int = 0
    memory: int = 0
    temporary: int = 0
    transaction: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """``notifications``: the share of their queue that is in use. Its size is 8 GB."""

    roles: Sequence[RoleUsage]
    notifications: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionBounds:
    """Of one role. ``all_locks`` are those of all roles together. While the queue of notifications is fuller than
    ``notifications``, the oldest transaction ends if it's older than ``transaction``: the queue can't shrink before."""

    memory: int
    locks: int = 16_000
    all_locks: int = 32_000
    temporary: int = 2 * GIGABYTE
    notifications: float = 1 / 16
    transaction: float = 5.0


@dataclass(slots=True)
class _Sums:
    processes: set[int] = field(default_factory=set)
    locks: int = 0
    transaction: float = 0.0


def measure(session: psycopg.Connection[Any], data: Path) -> ServerUsage:
    """``data`` is the server's folder; its processes run on this machine."""
    sums: dict[int, _Sums] = {}
    for role, pid, locks, transaction in session.execute(_SESSIONS, (ADMINISTRATOR,)).fetchall():
        of_role = sums.setdefault(int(role), _Sums())
        of_role.processes.add(int(pid))
        of_role.locks += int(locks)
        of_role.transaction = max(of_role.transaction, float(transaction))
    [(notifications,)] = session.execute("SELECT pg_notification_queue_usage()").fetchall()
    return ServerUsage(list(_roles(sums, _temporary_bytes(data))), float(notifications))


def role_name(pids: Iterable[int]) -> str:
    """From the titles of its processes, because the catalog of roles may be unreadable. Empty if all have ended."""
    found = filter(None, (_TITLE.match(process_table.command_line(pid)) for pid in pids))
    return next((title[1] for title in found), "")


def find_excesses(usage: ServerUsage, bounds: SessionBounds) -> Iterator[tuple[RoleUsage, SharedResource]]:
    """Each role that uses too much, once."""
    total = sum(role.locks for role in usage.roles)
    for role in sorted(usage.roles, key=lambda role: role.locks, reverse=True):
        if role.locks > bounds.locks or total > bounds.all_locks:
            total -= role.locks
            yield role, SharedResource.LOCKS
        elif role.memory > bounds.memory:
            yield role, SharedResource.MEMORY
        elif role.temporary > bounds.temporary:
            yield role, SharedResource.TEMPORARY_FILES
    oldest = max(usage.roles, key=lambda role: role.transaction, default=None)
    if oldest and usage.notifications > bounds.notifications and oldest.transaction > bounds.transaction:
        yield oldest, SharedResource.NOTIFICATIONS


def _roles(sums: Mapping[int, _Sums], temporary: Mapping[int, int]) -> Iterator[RoleUsage]:
    for role, of_role in sums.items():
        pids = frozenset(of_role.processes)
        memory, files = sum(map(_private_bytes, pids)), sum(temporary.get(pid, 0) for pid in pids)
        yield RoleUsage(role, pids, of_role.locks, memory, files, of_role.transaction)


def _private_bytes(pid: int) -> int:
    """Without the pages that it shares with the other processes of the server."""
    with contextlib.suppress(OSError, ValueError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * _PAGE
    return 0


def _temporary_bytes(data: Path) -> dict[int, int]:
    """By process: its own files, and folders that it shares with its parallel workers."""
    found: dict[int, int] = {}
    for path in (data / "base" / "pgsql_tmp").glob("**/*"):
        owner = _TEMPORARY.match(path.parent.name) or _TEMPORARY.match(path.name)
        if owner:
            with contextlib.suppress(OSError):
                found[int(owner[1])] = found.get(int(owner[1]), 0) + path.stat().st_blocks * _BLOCK
    return found
