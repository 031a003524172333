"""What lies in the backend, the records and the work folder beside the stacks themselves, one value for each thing.

Whether it is a leftover is for others to judge; here it is only looked at, and removed when they say so. Nothing is
named that does not carry a name of ours (``names.parse``) or lie in a folder that is ours alone.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from stacks import names, process_identity
from stacks.backends.file import locks
from stacks.backends.file.layout import FileBackend
from stacks.executors.process import operation_records
from stacks.model import StackRef, StrayFile
from stacks.paths import OPERATION_ENV, StackPaths


def find_all(paths: StackPaths) -> list[StrayFile]:
    """Raises OSError when a folder cannot be read."""
    return sorted([*_backend_files(paths), *_stale_records(paths), *_work_folders(paths)], key=lambda stray: stray.path)


def remove(paths: StackPaths, file: StrayFile) -> None:
    """Only what is still there, and still as it was seen."""
    if file not in find_all(paths):
        return
    path = Path(file.path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _backend_files(paths: StackPaths) -> Iterator[StrayFile]:
    store = FileBackend(paths.backend)
    for path in _grandchildren(store.root / "stacks"):
        kind = _file_kind(path.name)
        ref = StackRef(path.parent.name, path.name.removeprefix(".").partition(".")[0])
        if kind and names.parse(ref) is not None and (path.name.startswith(".") or not store.exists(ref)):
            yield _stray_file(kind, path, ref, "its stack does not exist")
    for kind, folder in (("history", "history"), ("backups", "backups")):
        for path in _grandchildren(store.root / folder):
            ref = StackRef(path.parent.name, path.name)
            if names.parse(ref) is not None and not store.exists(ref):
                yield _stray_file(kind, path, ref, "its stack does not exist")
    yield from _stray_locks(paths, store)


def _file_kind(name: str) -> str:
    if name.startswith("."):
        return "half-written file"
    for ending, kind in ((".pulumi-tags", "tag file"), (".json.bak", "backup")):
        if name.endswith(ending):
            return kind
    return ""


def _stray_locks(paths: StackPaths, backend: FileBackend) -> Iterator[StrayFile]:
    """A dead owner's lock on a living stack heals by itself; one without a stack never would."""
    for folder in _grandchildren(paths.backend / ".pulumi" / "locks" / "organization"):
        ref = StackRef(folder.parent.name, folder.name)
        if names.parse(ref) is None or backend.exists(ref):
            continue
        for lock in locks.read(paths.backend, ref):
            why = "its stack does not exist" + ("" if lock.owner_dead else f"; process {lock.pid} may hold it")
            yield _stray_file("lock", folder / f"{lock.id}.json", ref, why, in_use=not lock.owner_dead)


def _stale_records(paths: StackPaths) -> Iterator[StrayFile]:
    for path in _grandchildren(paths.operations):
        ref = StackRef(path.parent.name, path.name)
        if path.is_dir() and names.parse(ref) is not None:
            yield _stray_file("operation record", path, ref, "neither a stack nor a pull request accounts for it")
    for running in operation_records.list_running(paths):
        if running.where in ("", process_identity.pid_scope()) and not process_identity.is_alive(running.worker):
            path = operation_records.running_file(paths, running)
            yield _stray_file("operation record", path, running.ref, "it names an operation whose process is gone")


def _work_folders(paths: StackPaths) -> Iterator[StrayFile]:
    """Each folder is named by the mark that all processes of its operation carry."""
    for path in sorted(paths.work.iterdir()) if paths.work.is_dir() else ():
        alive = any(True for _ in process_identity.pids_with_variable(OPERATION_ENV, path.name))
        yield _stray_file("work folder", path, None, "no operation is at work in it", in_use=alive)


def _stray_file(kind: str, path: Path, ref: StackRef | None, reason: str, *, in_use: bool = False) -> StrayFile:
    return StrayFile(
        kind, str(path), ref, reason, shlex.join(["rm", "-r" if path.is_dir() else "-f", str(path)]), in_use
    )


def _grandchildren(folder: Path) -> list[Path]:
    """All that lies two levels down; what goes while it is looked at was not there."""
    found: list[Path] = []
    for project in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            found += sorted(project.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found
