"""The archives of repositories on this machine: one file each, replaced as a whole and never opened here.

The file's time of modification is when a build last read or wrote it, its time of access when an environment of the
repository was last seen. All archives together are bounded: the least recently used ones are removed first.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from programs.build_caches import CacheArchive
from programs.kit import files
from programs.kit.build_cache import wording
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings

SUFFIX = ".tar"
DAY = 86_400.0
STALE_SECONDS = 3600.0
"""After which an unfinished archive was left by a process that was killed."""


@dataclass(frozen=True, slots=True)
class CacheState:
    """Whose cache an environment's last build used. ``unfinished`` is the generation whose cache was filled, but whose
    build hasn't succeeded; ``size`` and ``files`` are what it was filled with."""

    repository: str
    unfinished: str = ""
    size: int = 0
    files: int = 0


def folder(settings: HostSettings) -> Path:
    return settings.root / "caches"


def environment_folder(settings: HostSettings, environment: str) -> Path:
    """The caches of its generations, each of which belongs to the environment's user."""
    return settings.env(environment) / "cache"


def path(settings: HostSettings, repository: str) -> Path:
    if not (repository.isascii() and repository.isalnum()):
        raise TargetError(wording.invalid_repository(repository))
    return folder(settings) / f"{repository}{SUFFIX}"


def open_archive(settings: HostSettings, repository: str, now: float) -> BinaryIO | None:
    """For reading. It stays readable when it is replaced or removed meanwhile."""
    try:
        found = path(settings, repository).open("rb")
    except FileNotFoundError:
        return None
    mark_used(settings, repository, now)
    return found


def mark_used(settings: HostSettings, repository: str, now: float) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.utime(path(settings, repository), (now, now))


@contextlib.contextmanager
def replacing(settings: HostSettings, repository: str) -> Iterator[BinaryIO]:
    """A new archive, which replaces the old one if the block ends without an error and wrote something."""
    target = path(settings, repository)
    files.make_folder(target.parent)
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        if fresh.stat().st_size:
            fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def remove(settings: HostSettings, repository: str) -> bool:
    """Environments keep their own caches. Returns False if there was none."""
    found = path(settings, repository)
    existed = found.exists()
    found.unlink(missing_ok=True)
    return existed


def list_archives(settings: HostSettings) -> list[CacheArchive]:
    """The least recently used first."""
    found = []
    for item in folder(settings).glob(f"[!.]*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            status = item.stat()
            repository = item.name.removesuffix(SUFFIX)
            found.append(CacheArchive(repository, status.st_size, status.st_mtime, status.st_atime))
    return sorted(found, key=lambda archive: (archive.used, archive.repository))


def collect(settings: HostSettings, now: float) -> list[str]:
    """Removes what is over the limit or was unused for too long. Returns the repositories."""
    _remove_unfinished(settings, now)
    in_use = {state.repository for state in _states(settings)}
    archives = list_archives(settings)
    total = sum(archive.size for archive in archives)
    oldest = now - settings.cache_days * DAY
    removed = []
    for archive in archives:
        if archive.repository in in_use:
            _mark_seen(settings, archive, now)
        is_old = archive.repository not in in_use and max(archive.used, archive.seen) < oldest
        if total > settings.cache_bytes or is_old:
            remove(settings, archive.repository)
            total -= archive.size
            removed.append(archive.repository)
    return removed


def _mark_seen(settings: HostSettings, archive: CacheArchive, now: float) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.utime(path(settings, archive.repository), (now, archive.used))


def read_state(settings: HostSettings, environment: str) -> CacheState | None:
    """None if no cache of the environment was ever filled completely."""
    return _read_state(_state_file(settings, environment))


def write_state(settings: HostSettings, environment: str, state: CacheState) -> None:
    files.write(_state_file(settings, environment), json.dumps(asdict(state)))


def _state_file(settings: HostSettings, environment: str) -> Path:
    return settings.env(environment) / "run" / "cache.json"


def _states(settings: HostSettings) -> Iterator[CacheState]:
    for file in settings.envs.glob("*/run/cache.json"):
        state = _read_state(file)
        if state is not None:
            yield state


def _read_state(file: Path) -> CacheState | None:
    try:
        return CacheState(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _remove_unfinished(settings: HostSettings, now: float) -> None:
    for item in folder(settings).glob(f".*{SUFFIX}.*"):
        with contextlib.suppress(FileNotFoundError):
            if item.stat().st_mtime < now - STALE_SECONDS:
                item.unlink()
