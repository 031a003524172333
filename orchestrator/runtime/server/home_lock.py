"""One ephd per home: two would stop each other's operations."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.runtime import wording
from orchestrator.runtime.server.addresses import StartupError


@contextlib.contextmanager
def lock_home(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "ephd.lock").open("a+") as lock:
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
