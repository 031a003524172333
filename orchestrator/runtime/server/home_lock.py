"""One ephd per home: two would stop each other's operations."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.config import file_names
from orchestrator.runtime import wording
from orchestrator.runtime.server.addresses import StartupError
from stacks import process_identity
from stacks.process_identity import ProcessIdentity


def _create_private(home: Path) -> None:
    """Others can't list or read the home. If Eph runs as root, other users can pass through to what belongs to them:
    PostgreSQL's server and the users of environments have folders in it. A volume's root may belong to another user."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)


@contextlib.contextmanager
def lock_home(home: Path) -> Iterator[None]:
    _create_private(home)
    with (home / file_names.HOME_LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise StartupError(wording.startup.home_in_use(owner, home)) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def holder(home: Path) -> ProcessIdentity | None:
    """The process that uses the home."""
    try:
        with (home / file_names.HOME_LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = lock.read().strip()
                return process_identity.identify(int(pid)) if pid.isdecimal() else None
    except FileNotFoundError:
        pass
    return None
