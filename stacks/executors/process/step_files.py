"""The steps of recent builds and wakes and their output, in files next to the other records of their stack.

One file for each operation, named by time and commit. Those of the newest commits are kept, whatever came of them: the
first operation of a commit, which has its checkout and build, and the newest ones. Wakes are counted separately, so
they never push out a build. All are deleted with the stack.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from programs import steps
from programs.steps import StepEvent
from stacks.executors.port import StepPage
from stacks.executors.process import operation_records
from stacks.model import StackRef

MAX_COMMITS = 5
MAX_PER_COMMIT = 5
MAX_WAKES = 5
COMMIT_LENGTH = 12
"""Digits of the commit in a file's name."""
_SUFFIX = ".steps"
_WAKE_MARK = ".wake"
_WAKE_SUFFIX = f"{_WAKE_MARK}{_SUFFIX}"


def new_file(records: Path, ref: StackRef, started: datetime, commit: str) -> Path:
    """Where an operation writes its steps. Deletes old files."""
    folder = operation_records.make_folder(records, ref)
    found, incoming = _list(folder), commit[:COMMIT_LENGTH]
    builds = [path for path in found if not _is_wake(path)]
    gone = _outdated(builds, incoming)
    kept = {_commit(path) for path in builds if path not in gone} | {incoming}
    for path in [*gone, *(path for path in found if _is_wake(path) and _commit(path) not in kept)]:
        path.unlink(missing_ok=True)
    return folder / _name(started, commit, _SUFFIX)


def wake_file(records: Path, ref: StackRef, started: datetime, commit: str) -> Path:
    """Where a wake writes its steps. Reads and writes nothing, because a visitor is waiting."""
    return operation_records.operation_folder(records, ref) / _name(started, commit, _WAKE_SUFFIX)


def delete_old_wakes(records: Path, ref: StackRef) -> None:
    """Call it after a wake."""
    wakes = [path for path in _list(operation_records.operation_folder(records, ref)) if _is_wake(path)]
    for path in wakes[:-MAX_WAKES]:
        path.unlink(missing_ok=True)


def _name(started: datetime, commit: str, suffix: str) -> str:
    return f"{started:%Y%m%dT%H%M%S.%f}-{commit[:COMMIT_LENGTH]}{suffix}"


def commits(records: Path, ref: StackRef) -> list[str]:
    """Commits with output, as their first digits, the newest last."""
    return _by_age(_builds(_list(operation_records.operation_folder(records, ref))))


def read(records: Path, ref: StackRef, commit: str, since: str) -> StepPage:
    """The events of one commit (of the newest if empty), or those of all commits after the position ``since``."""
    found = _list(operation_records.operation_folder(records, ref))
    if since:
        name, _, offset = since.rpartition(":")
        return _read_files([path for path in found if path.name >= name], {name: int(offset)}, since)
    chosen = commit[:COMMIT_LENGTH] or (_commit(_builds(found)[-1]) if found else "")
    return _read_files([path for path in found if _commit(path).startswith(chosen)] if chosen else [], {}, "")


def _read_files(paths: Iterable[Path], offsets: dict[str, int], position: str) -> StepPage:
    events: list[StepEvent] = []
    commit = ""
    for path in paths:
        start = offsets.get(path.name, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                data = file.read()
        except FileNotFoundError:
            continue
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].decode(errors="replace").splitlines()
        events += [event for line in lines if (event := steps.parse(line)) is not None]
        commit, position = _commit(path), f"{path.name}:{start + whole}"
    return StepPage(tuple(events), position, commit)


def _list(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SUFFIX}"))


def _builds(paths: list[Path]) -> list[Path]:
    """The files of builds, or all if there are only wakes: an older version that wakes isn't the newest commit."""
    return [path for path in paths if not _is_wake(path)] or paths


def _is_wake(path: Path) -> bool:
    return path.name.endswith(_WAKE_SUFFIX)


def _commit(path: Path) -> str:
    return path.name.removesuffix(_SUFFIX).removesuffix(_WAKE_MARK).rpartition("-")[2]


def _by_age(paths: Iterable[Path]) -> list[str]:
    return list(dict.fromkeys(_commit(path) for path in reversed(list(paths))))[::-1]


def _outdated(paths: list[Path], incoming: str) -> list[Path]:
    """What to delete before a file of the commit ``incoming`` is added."""
    kept = set([commit for commit in _by_age(paths) if commit != incoming][1 - MAX_COMMITS :]) | {incoming}
    gone = [path for path in paths if _commit(path) not in kept]
    mine = [path for path in paths if _commit(path) == incoming]
    return gone + mine[1 : max(1, len(mine) - MAX_PER_COMMIT + 2)]
