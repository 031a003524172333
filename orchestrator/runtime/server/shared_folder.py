"""The folder that replicas share: used by a single ephd, or by several that elect a leader, never both.

A target with local processes is bound to their machine: a second supervisor or PostgreSQL server on the same data would
destroy it.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

from orchestrator.config import file_names
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime import wording
from orchestrator.runtime.server.addresses import StartupError

STAGING = ".restore"
"""The folder of a restore that isn't complete."""


@contextlib.contextmanager
def lock_shared_folder(settings: ServerSettings) -> Iterator[None]:
    """Hold the folder while this ephd uses it. Raises StartupError, also if a restore was interrupted: half of the
    files would be new ones."""
    if (staging := settings.shared_dir / STAGING).exists():
        raise StartupError(wording.backup.unfinished_restore(staging))
    shared, several = settings.shared_dir, settings.replicas.lease != "none"
    if not several and shared == settings.home:
        yield  # the lock of the home is enough
        return
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / file_names.REPLICAS_LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if several else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            raise StartupError(wording.startup.shared_without_lease(shared)) from error
        if several:
            for target, folder in settings.machine_folders().items():
                _check_same_machine(target, folder)
        yield


@contextlib.contextmanager
def lock_alone(settings: ServerSettings) -> Iterator[None]:
    """Hold the folder while no replica uses it. The home of a single ephd has its own lock. Raises StartupError."""
    shared = settings.shared_dir
    if shared == settings.home:
        yield
        return
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / file_names.REPLICAS_LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartupError(wording.startup.replicas_running(shared)) from error
        yield


def _check_same_machine(target: str, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    file, here = root / "machine", socket.gethostname()
    if not file.exists():
        file.write_text(here + "\n")
    there = file.read_text().strip()
    if there and there != here:
        raise StartupError(wording.startup.target_on_other_machine(target, root, there, here, file))
