"""What is on disk about operations: the identity of one that runs, the log and the result of the last few.

A running operation's record is how the next life of ephd, or the next leader, finds what an earlier one left
(``others``). Each has a file of its own, so that nobody overwrites or removes another's. Results and logs are for
people; losing them loses words, never an environment.
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

from stacks import wire
from stacks.model import OperationResult, StackRef, Verb
from stacks.places import Places
from stacks.processes import Identity

KEPT_LOGS = 5
_RUNNING = "running.*.json"
_UNTIL_EARLIER = "running.json"
"""The name that versions before replicas wrote."""
_LAST = "last.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    ref: StackRef
    verb: Verb
    operation: str
    """The mark that every process of the operation has in its environment."""
    worker: Identity
    owner: Identity | None = None
    """The ephd that began it."""
    where: str = ""
    """``processes.here`` of both."""
    commit: str = ""
    started: str = ""
    until: float = 0.0
    """By ``running_clock`` of that machine: its owner ends it before."""


def write_running(places: Places, running: Running) -> None:
    _folder(places, running.ref)
    _write(running_file(places, running), json.dumps(dataclasses.asdict(running)))


def clear_running(places: Places, running: Running) -> None:
    running_file(places, running).unlink(missing_ok=True)
    if not running.where:
        (places.logs(running.ref) / _UNTIL_EARLIER).unlink(missing_ok=True)


def in_use(places: Places, ref: StackRef, besides: Running | None = None) -> bool:
    """Whether an operation on it is recorded, whoever's."""
    own = besides and running_file(places, besides)
    return any(path != own for path in places.logs(ref).glob(_RUNNING))


def began(places: Places, running: Running) -> datetime:
    """When that record was written. By the file system's clock, as the ends of updates are."""
    path = running_file(places, running) if running.where else places.logs(running.ref) / _UNTIL_EARLIER
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def running(places: Places) -> Iterator[Running]:
    """One that was cut in the middle of writing names no process, and is dropped."""
    for pattern in (_RUNNING, _UNTIL_EARLIER):
        for path in places.operations.glob(f"*/*/{pattern}"):
            try:
                yield _running(json.loads(path.read_text()))
            except FileNotFoundError:
                continue  # it ended just now
            except (ValueError, KeyError, TypeError):
                path.unlink(missing_ok=True)


def _running(data: dict[str, Any]) -> Running:
    owner = data.get("owner")
    return Running(
        ref=StackRef(**data["ref"]),
        verb=Verb(data["verb"]),
        operation=str(data["operation"]),
        worker=Identity(**data["worker"]),
        owner=Identity(**owner) if owner else None,
        where=str(data.get("where", "")),
        commit=str(data.get("commit", "")),
        started=str(data.get("started", "")),
        until=float(data.get("until", 0.0)),
    )


def running_file(places: Places, running: Running) -> Path:
    return places.logs(running.ref) / f"running.{running.operation}.json"


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


def overcome(places: Places, result: OperationResult) -> None:
    """One that slept or woke says nothing of why the last build failed; but that it could not be woken is over."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if wire.result(json.loads((places.logs(result.ref) / _LAST).read_text())).verb.is_light:
            write_last(places, result)


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
