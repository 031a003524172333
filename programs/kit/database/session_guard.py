"""Ends sessions that use up what all environments share of the embedded PostgreSQL: ``python -m
programs.kit.database.session_guard ROOT``.

Anyone who may lock, sort or allocate in PostgreSQL may do it without end, and applications need all of that. One
process serves all environments. It keeps an administrator's session open, because a server without free locks or
connections accepts no new one, and ends processes by signal, because that needs nothing of the server. A role that
uses too much again within a minute is suspended.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg

from programs.kit import files, host_settings, waiting
from programs.kit.database import postgres, server_errors, session_notices, session_usage, suspensions, wording
from programs.kit.database.session_usage import RoleUsage, SessionBounds, SharedResource
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.processes import process_table, program_files, sandbox, supervisor
from programs.kit.processes.sandbox import LaunchSpec

PROGRAM = "session-guard"
INTERVAL = 0.5
REPEATED_SECONDS = 60.0
END_SECONDS = 2.0
ATTEMPTS = 20
RETRY_SECONDS = 1.0
MAX_REFUSALS = 3
_ENVIRONMENT_PROCESS = "postgres: eph_"
"""How the title of a process begins that serves a role of an environment."""
log = logging.getLogger("eph.sessions")


def ensure(settings: HostSettings) -> None:
    """Starts it unless this version was started before; supervisord keeps it running."""
    if settings.postgres or _is_current(settings):
        return
    with files.locked(settings.root / "session-guard.lock"):
        if not _is_current(settings):
            argv = (sys.executable, "-I", "-m", __name__, str(settings.root))
            launch = LaunchSpec(argv, sandbox.launcher_env(), "/", bounded=False)
            supervisor.add(settings, program_files.SupervisedProgram(PROGRAM, launch, _note(settings)))


def _is_current(settings: HostSettings) -> bool:
    try:
        return program_files.note(settings, PROGRAM) == _note(settings)
    except FileNotFoundError:
        return False


def _note(settings: HostSettings) -> str:
    return f"{wording.WATCHES_SESSIONS} {code_digest()} {settings.memory_bytes}"


@functools.cache
def code_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


class SessionGuard:
    def __init__(
        self, settings: HostSettings, bounds: SessionBounds | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._bounds = bounds or SessionBounds(settings.memory_bytes)
        self._now = now
        self._last: dict[int, float] = {}

    def round(self, session: psycopg.Connection[Any]) -> None:
        usage = session_usage.measure(session, self._data)
        for role, resource in session_usage.find_excesses(usage, self._bounds):
            self._stop(session, role, resource)

    def end_all(self) -> None:
        """Ends the sessions of all environments. Without its own session, it can't tell which role has too many."""
        children = process_table.descendants(self._server())
        self._end(pid for pid in children if process_table.command_line(pid).startswith(_ENVIRONMENT_PROCESS))

    @property
    def _data(self) -> Path:
        return postgres.data_folder(self._settings)

    def _stop(self, session: psycopg.Connection[Any], role: RoleUsage, resource: SharedResource) -> None:
        now, last = self._now(), self._last.get(role.role)
        self._last[role.role] = now
        is_repeated = last is not None and now - last < REPEATED_SECONDS
        name = session_usage.role_name(role.processes)
        log.warning("%s: too much of %s; suspended: %s", name, resource, is_repeated)
        if name:  # before its clients notice
            session_notices.write(self._settings, name, resource, suspended=is_repeated)
        self._end(role.processes)
        if name and is_repeated:
            self._suspend(session, role.role, name)

    def _suspend(self, session: psycopg.Connection[Any], role: int, name: str) -> None:
        """Its sessions may come back and fill the lock table before the suspension has its own lock."""
        for _ in range(ATTEMPTS):
            try:
                suspensions.suspend(session, name)
                break
            except psycopg.Error as error:
                if not server_errors.is_exhausted(error):
                    raise
            self._end(self._processes(session, role))
        self._end(self._processes(session, role))

    def _processes(self, session: psycopg.Connection[Any], role: int) -> frozenset[int]:
        found = session_usage.measure(session, self._data).roles
        return next((item.processes for item in found if item.role == role), frozenset())

    def _end(self, pids: Iterable[int]) -> None:
        """Returns when they have ended, or after some seconds."""
        ours = {*process_table.descendants(self._server())} & {*pids}
        for pid in ours:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        waiting.wait_until(lambda: not any(map(process_table.is_alive, ours)), END_SECONDS, 0.01)

    def _server(self) -> int:
        """The process ID of the server."""
        return int((self._data / "postmaster.pid").read_text().split()[0])


def main(root: str) -> None:
    settings = host_settings.load(root)
    guard, refusals = SessionGuard(settings), 0
    while True:
        try:
            with postgres.connect(settings) as session:
                refusals = 0
                _watch(guard, session)
        except (psycopg.Error, OSError) as error:  # such as a server that restarts
            log.warning("%s", error)
            refusals += isinstance(error, psycopg.Error) and server_errors.is_exhausted(error)
        with contextlib.suppress(OSError, ValueError):
            if refusals >= MAX_REFUSALS:
                guard.end_all()
        time.sleep(RETRY_SECONDS)


def _watch(guard: SessionGuard, session: psycopg.Connection[Any]) -> None:
    """Until the session ends. An error isn't a reason to give it up, because there may be no other one."""
    session.execute("SET work_mem = '64MB'")  # for the rows of a full lock table
    while not session.closed:
        try:
            guard.round(session)
        except (psycopg.Error, OSError, ValueError, TargetError) as error:
            log.warning("%s", error)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(sys.argv[1])
