"""What a server must keep, as one archive: the state of the stacks, the keys, the event log, uploaded working copies.

Environments aren't in it: their databases and checkouts stay where they are, and are created again if they are gone.
A backup and a restore need a stopped ephd, so that no operation changes a stack meanwhile. Previews keep responding.

A restore extracts everything next to its place and then moves it there part by part, the pause first. One that was
killed is completed by repeating it; until then, no ephd starts.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from orchestrator.config import file_names
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.pause import Pause
from orchestrator.runtime import wording
from orchestrator.runtime.server import home_lock, shared_folder
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.runtime.server.shared_folder import STAGING
from programs.kit import files

FORMAT = 1
_MANIFEST = "backup.json"
_COMPLETE = "complete"
_MAX_MANIFEST = 64 * 1024


class BackupError(Exception):
    """The message says what, where, and what to do."""


@dataclass(frozen=True, slots=True)
class BackupContent:
    """``missing``: what has to be backed up elsewhere."""

    parts: tuple[str, ...]
    missing: tuple[str, ...]


def create_backup(settings: ServerSettings, archive: Path, now: datetime) -> BackupContent:
    """Writes the archive, which only its owner can read. Raises BackupError or StartupError."""
    with _stopped(settings):
        places = {name: place for name, place in _places(settings).items() if place.exists()}
        if file_names.KEYS not in places:
            raise BackupError(wording.backup.nothing_to_keep(settings.shared_dir))
        try:
            _write_archive(archive, places, now)
        except (OSError, sqlite3.Error, tarfile.TarError) as error:
            raise BackupError(wording.backup.not_written(archive, error)) from error
    return BackupContent(tuple(places), wording.backup.missing(*_elsewhere(settings)))


def restore_backup(settings: ServerSettings, archive: Path, by: str, now: datetime) -> BackupContent:
    """Moves the content of the archive to where the settings say, and pauses the server. Raises BackupError or
    StartupError."""
    with _stopped(settings):
        try:
            _stage(settings, archive)
            PauseFile(settings.shared_dir / "paused.json").set(Pause(by, now, wording.backup.RESTORED))
            parts = _move_into_place(settings)
        except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
            raise BackupError(wording.backup.not_restored(archive, error)) from error
    return BackupContent(parts, wording.backup.missing(*_elsewhere(settings)))


@contextlib.contextmanager
def _stopped(settings: ServerSettings) -> Iterator[None]:
    with home_lock.lock_home(settings.home), shared_folder.lock_alone(settings):
        yield


def _places(settings: ServerSettings) -> dict[str, Path]:
    """By their names in the archive, in the order in which a restore moves them: an ephd without the keys would create
    new ones."""
    places = [settings.keys_dir]
    if not settings.backend_url:
        places.append(settings.backend_dir)
    places += [settings.uploads_dir, settings.pending_reports_file]
    if not settings.ledger_url.get_secret_value():
        places.append(settings.ledger_path)
    return {place.name: place for place in places}


def _elsewhere(settings: ServerSettings) -> tuple[bool, bool, str]:
    has_ledger_url = bool(settings.ledger_url.get_secret_value())
    return bool(settings.backend_url), has_ledger_url, str(settings.passphrase_file or "")


# --- Writing


def _write_archive(archive: Path, places: dict[str, Path], now: datetime) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=archive.parent, prefix=".eph-backup-") as file:  # readable by its owner only
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            _add_manifest(tar, places, now)
            for name, place in places.items():
                if name == file_names.LEDGER:
                    _add_database(tar, name, place)
                else:
                    tar.add(place, arcname=name, filter=_only_files)
        file.flush()
        os.fsync(file.fileno())
        if archive.exists():
            raise FileExistsError(wording.backup.FILE_EXISTS)
        os.link(file.name, archive)


def _add_manifest(tar: tarfile.TarFile, places: dict[str, Path], now: datetime) -> None:
    content = json.dumps({"format": FORMAT, "created": now.isoformat(), "parts": list(places)}).encode()
    entry = tarfile.TarInfo(_MANIFEST)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _add_database(tar: tarfile.TarFile, name: str, database: Path) -> None:
    """SQLite's own copy, with what is still in its journal."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        with contextlib.closing(sqlite3.connect(database)) as log, contextlib.closing(sqlite3.connect(place)) as copy:
            log.backup(copy)
        tar.add(place, arcname=name)


def _only_files(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return entry if entry.isfile() or entry.isdir() else None


# --- Reading


def _stage(settings: ServerSettings, archive: Path) -> None:
    """Extracts the archive, unless an interrupted restore of the same one has already begun to move the parts."""
    digest = _digest(archive)
    roots = _staging_folders(settings)
    complete = settings.shared_dir / STAGING / _COMPLETE
    if complete.exists():
        if complete.read_text() != digest:
            raise BackupError(wording.backup.unfinished_restore(complete.parent))
        return
    places = _places(settings)
    if occupied := [place for place in places.values() if place.exists()]:
        raise BackupError(wording.backup.occupied(occupied[0]))
    for folder in set(roots.values()):
        files.remove(folder)
        files.make_folder(folder)
    with tarfile.open(archive, "r:gz") as tar:
        _check_manifest(tar, archive)
        for entry in tar:
            if entry.name == _MANIFEST:
                continue
            part = next(iter(PurePosixPath(entry.name).parts), "")
            if part not in places or not (entry.isfile() or entry.isdir()):
                raise BackupError(wording.backup.foreign_entry(archive, entry.name, sorted(places)))
            tar.extract(entry, roots[part], filter="data")
            if entry.isdir():
                (roots[part] / entry.name).chmod(entry.mode & 0o777)
    files.write(complete, digest, durable=True)


def _check_manifest(tar: tarfile.TarFile, archive: Path) -> None:
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.name == _MANIFEST else None
    if content is None or json.loads(content.read(_MAX_MANIFEST))["format"] != FORMAT:
        raise BackupError(wording.backup.not_a_backup(archive))


def _move_into_place(settings: ServerSettings) -> tuple[str, ...]:
    roots, places = _staging_folders(settings), _places(settings)
    for name, place in places.items():
        staged = roots[name] / name
        if staged.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            staged.rename(place)
    for folder in (settings.home / STAGING, settings.shared_dir / STAGING):
        files.remove(folder)
    return tuple(name for name, place in places.items() if place.exists())


def _staging_folders(settings: ServerSettings) -> dict[str, Path]:
    """Next to the places, because a rename can't leave its file system."""
    return {name: place.parent / STAGING for name, place in _places(settings).items()}


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
