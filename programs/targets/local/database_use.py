"""Databases that nothing of their environment connects to, such as one of an app that silently uses SQLite instead.

PostgreSQL counts the sessions of each database. Before the first service of a generation starts, when everything that
seeds or migrates has ended, the counts are recorded. A database whose count is still the same when the deadline of the
health checks has passed isn't used. Once it is, its record is removed, so there is nothing left to look up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from programs.kit import files
from programs.kit.database import environment_databases
from programs.targets.local.settings import LocalSettings

FILE = "database-use.json"


@dataclass(frozen=True, slots=True)
class DeclaredDatabase:
    """``title`` is the name in eph.yaml, ``name`` the one on the server."""

    title: str
    variable: str
    name: str


@dataclass(frozen=True, slots=True)
class UseRecord:
    """``version`` changes with the commit and when a database is created again. ``until``: the deadline, in seconds
    since the epoch. ``sessions`` by the database's name on the server."""

    version: str
    until: float
    databases: tuple[DeclaredDatabase, ...]
    sessions: Mapping[str, int]


def begin(
    settings: LocalSettings, environment: str, version: str, databases: Sequence[DeclaredDatabase], until: float
) -> None:
    """Called before each service starts; only the first one of a version counts."""
    file = _file(settings, environment)
    with files.locked(file.with_suffix(".lock")):
        last = _read(file)
        if last is not None and last.version == version:
            return
        sessions = environment_databases.session_counts(settings, [item.name for item in databases])
        files.write(file, json.dumps(asdict(UseRecord(version, until, tuple(databases), sessions))))


def list_unused(settings: LocalSettings, now: float) -> Iterator[tuple[str, DeclaredDatabase]]:
    """The environments and their databases. A database that was used is never looked up again for that version."""
    due = {}
    for file in settings.envs.glob(f"*/run/{FILE}"):
        record = _read(file)
        if record is not None and record.databases and record.until <= now:
            due[file] = record
    names = [item.name for record in due.values() for item in record.databases]
    counts = environment_databases.session_counts(settings, names) if names else {}
    for file, record in due.items():
        unused = [item for item in record.databases if _is_unused(item, record, counts)]
        if len(unused) < len(record.databases):
            kept = UseRecord(record.version, record.until, tuple(unused), record.sessions)
            _replace(file, record, kept)
        yield from ((file.parents[1].name, item) for item in unused)


def _is_unused(item: DeclaredDatabase, record: UseRecord, counts: Mapping[str, int]) -> bool:
    """A server without these counts, or a database that is gone, says nothing."""
    return item.name in counts and counts[item.name] == record.sessions.get(item.name)


def _replace(file: Path, old: UseRecord, new: UseRecord) -> None:
    """Unless a new version began meanwhile, or the environment was removed."""
    if not file.parent.is_dir():
        return
    with files.locked(file.with_suffix(".lock")):
        if _read(file) == old:
            files.write(file, json.dumps(asdict(new)))


def _file(settings: LocalSettings, environment: str) -> Path:
    return settings.env(environment) / "run" / FILE


def _read(file: Path) -> UseRecord | None:
    try:
        data: dict[str, Any] = json.loads(file.read_text())
        databases = tuple(DeclaredDatabase(**item) for item in data["databases"])
        return UseRecord(data["version"], data["until"], databases, data["sessions"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
