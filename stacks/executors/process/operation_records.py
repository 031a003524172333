"""What is on disk about operations: the identity of each running one, and the logs and the result of recent ones.

A running operation's record is how the next process of ephd, or the next leader, finds what an earlier one left
(``recovery``). Each operation has its own file, so no owner overwrites or removes another's. Results and logs are for
people; losing them never loses an environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from programs.kit import files
from stacks.model import OperationResult, OperationVerb, StackRef
from stacks.operations import serialization
from stacks.process_identity import ProcessIdentity

MAX_LOGS = 5
_RUNNING_PATTERN = "running.*.json"
_LEGACY_RUNNING = "running.json"
"""The file name that versions without replicas used."""
_LAST_RESULT = "last.json"


@dataclasses.dataclass(frozen=True, slots=True)
class OperationRecord:
    ref: StackRef
    verb: OperationVerb
    operation: str
    """The ID that every process of the operation has in its environment."""
    worker: ProcessIdentity
    owner: ProcessIdentity | None = None
    """The ephd that started it."""
    where: str = ""
    """``processes.here`` of both."""
    commit: str = ""
    started: str = ""
    until: float = 0.0
    """By that machine's ``boot_clock``: its owner ends it earlier."""


def operation_folder(records: Path, ref: StackRef) -> Path:
    return records / ref.project / ref.stack


def write_running(records: Path, running: OperationRecord) -> None:
    make_folder(records, running.ref)
    files.write(running_file(records, running), json.dumps(dataclasses.asdict(running)))


def delete_running(records: Path, running: OperationRecord) -> None:
    running_file(records, running).unlink(missing_ok=True)
    if not running.where:
        (operation_folder(records, running.ref) / _LEGACY_RUNNING).unlink(missing_ok=True)


def has_running(records: Path, ref: StackRef, excluding: OperationRecord | None = None) -> bool:
    """Whether any other operation on it is recorded, whoever owns it."""
    own = excluding and running_file(records, excluding)
    return any(path != own for path in operation_folder(records, ref).glob(_RUNNING_PATTERN))


def started_at(records: Path, running: OperationRecord) -> datetime:
    """When the record was written, by the file system's clock, like the end times of updates."""
    path = running_file(records, running) if running.where else operation_folder(records, running.ref) / _LEGACY_RUNNING
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def list_running(records: Path) -> Iterator[OperationRecord]:
    """A truncated record names no process and is dropped."""
    for pattern in (_RUNNING_PATTERN, _LEGACY_RUNNING):
        for path in records.glob(f"*/*/{pattern}"):
            try:
                yield _parse_running(json.loads(path.read_text()))
            except FileNotFoundError:
                continue  # it has just ended
            except (ValueError, KeyError, TypeError):
                path.unlink(missing_ok=True)


def _parse_running(data: dict[str, Any]) -> OperationRecord:
    owner = data.get("owner")
    return OperationRecord(
        ref=StackRef(**data["ref"]),
        verb=OperationVerb(data["verb"]),
        operation=str(data["operation"]),
        worker=ProcessIdentity(**data["worker"]),
        owner=ProcessIdentity(**owner) if owner else None,
        where=str(data.get("where", "")),
        commit=str(data.get("commit", "")),
        started=str(data.get("started", "")),
        until=float(data.get("until", 0.0)),
    )


def running_file(records: Path, running: OperationRecord) -> Path:
    return operation_folder(records, running.ref) / f"running.{running.operation}.json"


def write_last_result(records: Path, result: OperationResult) -> None:
    files.write(make_folder(records, result.ref) / _LAST_RESULT, json.dumps(serialization.dump(result)))


def last_results(records: Path) -> dict[StackRef, OperationResult]:
    """The last result of every stack."""
    found = {}
    for path in records.glob(f"*/*/{_LAST_RESULT}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            result = serialization.load_result(json.loads(path.read_text()))
            found[result.ref] = result
    return found


def clear_wake_failure(records: Path, result: OperationResult) -> None:
    """A successful sleep or wake clears an earlier failure to wake; the result of the last build stays."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if serialization.load_result(
            json.loads((operation_folder(records, result.ref) / _LAST_RESULT).read_text())
        ).verb.skips_pulumi:
            write_last_result(records, result)


def new_log(records: Path, ref: StackRef, name: str) -> Path:
    folder = make_folder(records, ref)
    for old in _log_files(folder)[: -MAX_LOGS + 1]:
        old.unlink(missing_ok=True)
    return folder / f"{name}.log"


def newest_log(records: Path, ref: StackRef) -> Path | None:
    found = _log_files(operation_folder(records, ref))
    return found[-1] if found else None


def delete(records: Path, ref: StackRef) -> None:
    """Called after a successful destroy: nothing of the stack stays on disk."""
    folder = operation_folder(records, ref)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # the project's folder, if this was its last stack


def _log_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def make_folder(records: Path, ref: StackRef) -> Path:
    folder = operation_folder(records, ref)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
