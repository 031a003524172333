"""What lies in the backend, the records and the work folder beside the stacks themselves, one value for each thing.

Whether it is a leftover is for others to judge; here it is only looked at, and removed when they say so. Nothing is
named that does not carry a name of ours (``names.parse``) or lie in a folder that is ours alone.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from stacks import locks, names, processes, records
from stacks.backends import FileBackend
from stacks.model import StackRef, Stray
from stacks.places import OPERATION_MARK, Places


def every(places: Places) -> list[Stray]:
    """Raises OSError when a folder cannot be read."""
    return sorted([*_in_backend(places), *_operations(places), *_work(places)], key=lambda stray: stray.path)


def remove(places: Places, stray: Stray) -> None:
    """Only what is still there, and still as it was seen."""
    if stray not in every(places):
        return
    path = Path(stray.path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _in_backend(places: Places) -> Iterator[Stray]:
    store = FileBackend(places.backend)
    for path in _children(store.root / "stacks"):
        kind = _kind(path.name)
        ref = StackRef(path.parent.name, path.name.removeprefix(".").partition(".")[0])
        if kind and names.parse(ref) is not None and (path.name.startswith(".") or not store.exists(ref)):
            yield _stray(kind, path, ref, "its stack does not exist")
    for kind, folder in (("history", "history"), ("backups", "backups")):
        for path in _children(store.root / folder):
            ref = StackRef(path.parent.name, path.name)
            if names.parse(ref) is not None and not store.exists(ref):
                yield _stray(kind, path, ref, "its stack does not exist")
    yield from _locks(places, store)


def _kind(name: str) -> str:
    if name.startswith("."):
        return "half-written file"
    for ending, kind in ((".pulumi-tags", "tag file"), (".json.bak", "backup")):
        if name.endswith(ending):
            return kind
    return ""


def _locks(places: Places, store: FileBackend) -> Iterator[Stray]:
    """A dead owner's lock on a living stack heals by itself; one without a stack never would."""
    for folder in _children(places.backend / ".pulumi" / "locks" / "organization"):
        ref = StackRef(folder.parent.name, folder.name)
        if names.parse(ref) is None or store.exists(ref):
            continue
        for lock in locks.read(places.backend, ref):
            why = "its stack does not exist" + ("" if lock.owner_dead else f"; process {lock.pid} may hold it")
            yield _stray("lock", folder / f"{lock.id}.json", ref, why, held=not lock.owner_dead)


def _operations(places: Places) -> Iterator[Stray]:
    for path in _children(places.operations):
        ref = StackRef(path.parent.name, path.name)
        if path.is_dir() and names.parse(ref) is not None:
            yield _stray("operation record", path, ref, "neither a stack nor a pull request accounts for it")
    for running in records.running(places):
        if running.where in ("", processes.here()) and not processes.alive(running.worker):
            path = records.running_file(places, running)
            yield _stray("operation record", path, running.ref, "it names an operation whose process is gone")


def _work(places: Places) -> Iterator[Stray]:
    """Each folder is named by the mark that all processes of its operation carry."""
    for path in sorted(places.work.iterdir()) if places.work.is_dir() else ():
        alive = any(True for _ in processes.marked(OPERATION_MARK, path.name))
        yield _stray("work folder", path, None, "no operation is at work in it", held=alive)


def _stray(kind: str, path: Path, ref: StackRef | None, why: str, *, held: bool = False) -> Stray:
    return Stray(kind, str(path), ref, why, shlex.join(["rm", "-r" if path.is_dir() else "-f", str(path)]), held)


def _children(folder: Path) -> list[Path]:
    """All that lies two levels down; what goes while it is looked at was not there."""
    found: list[Path] = []
    for project in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            found += sorted(project.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found
