"""What is on disk about operations: the identity of one that runs, the log and the result of the last few.

A running operation's record is how the next life of ephd finds and ends what an earlier one left. Results and logs are
for people; losing them loses words, never an environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from stacks import wire
from stacks.model import OperationResult, StackRef, Verb
from stacks.places import Places
from stacks.processes import Identity

KEPT_LOGS = 5
_RUNNING = "running.json"
_LAST = "last.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    ref: StackRef
    verb: Verb
    operation: str
    """The mark that every process of the operation has in its environment."""
    worker: Identity


def write_running(places: Places, running: Running) -> None:
    folder = _folder(places, running.ref)
    _write(folder / _RUNNING, json.dumps(dataclasses.asdict(running)))


def running_file(places: Places, ref: StackRef) -> Path:
    return places.logs(ref) / _RUNNING


def clear_running(places: Places, ref: StackRef) -> None:
    running_file(places, ref).unlink(missing_ok=True)


def began(places: Places, ref: StackRef) -> datetime:
    """When the record of what runs was written. By the file system's clock, as the ends of updates are."""
    return datetime.fromtimestamp((places.logs(ref) / _RUNNING).stat().st_mtime, UTC)


def running(places: Places) -> Iterator[Running]:
    """One that was cut in the middle of writing names no process, and is dropped."""
    for path in places.operations.glob(f"*/*/{_RUNNING}"):
        try:
            data = json.loads(path.read_text())
            yield Running(
                StackRef(**data["ref"]), Verb(data["verb"]), str(data["operation"]), Identity(**data["worker"])
            )
        except (ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)


def write_last(places: Places, result: OperationResult) -> None:
    _write(_folder(places, result.ref) / _LAST, json.dumps(wire.dump(result)))


def last(places: Places) -> dict[StackRef, OperationResult]:
    """The last result of every stack that has one."""
    found = {}
    for path in places.operations.glob(f"*/*/{_LAST}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            result = wire.result(json.loads(path.read_text()))
            found[result.ref] = result
    return found


def new_log(places: Places, ref: StackRef, name: str) -> Path:
    folder = _folder(places, ref)
    for old in _logs(folder)[: -KEPT_LOGS + 1]:
        old.unlink(missing_ok=True)
    return folder / f"{name}.log"


def newest_log(places: Places, ref: StackRef) -> Path | None:
    found = _logs(places.logs(ref))
    return found[-1] if found else None


def forget(places: Places, ref: StackRef) -> None:
    """After a destroy that succeeded: nothing of the stack stays on disk."""
    folder = places.logs(ref)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # the project's, when this was its last stack


def _logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def _folder(places: Places, ref: StackRef) -> Path:
    folder = places.logs(ref)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
