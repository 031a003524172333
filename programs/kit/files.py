"""Files that are whole or absent, folders that go for certain, and locks that end with their process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def make_folder(path: Path) -> Path:
    """Makes a folder that only its owner can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write(path: Path, text: str, mode: int = 0o600, durable: bool = False) -> None:
    """Writes a temporary file, then renames it: a reader sees the old text or the new one.

    ``durable``: it is on the disk before the rename, so this also holds on a machine that loses power."""
    with _temporary_file(path, text.encode(), mode, durable) as fresh:
        fresh.replace(path)


def create(path: Path, content: bytes) -> bool:
    """Creates a file that is complete or absent, durably. False if the name was taken: that file stays as it is."""
    with _temporary_file(path, content, 0o600, durable=True) as fresh:
        try:
            os.link(fresh, path)
        except FileExistsError:
            return False
    return True


@contextlib.contextmanager
def _temporary_file(path: Path, content: bytes, mode: int, durable: bool) -> Iterator[Path]:
    """A file with this content next to ``path``; it is removed at the end unless it was renamed."""
    make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file, a link or a whole tree, whatever modes a preview gave to its folders."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_retry_with_permissions)
    else:
        path.unlink(missing_ok=True)


def _retry_with_permissions(function: Callable[..., Any], path: str, info: Any) -> None:
    if issubclass(info[0], FileNotFoundError):
        return
    for place in (Path(path).parent, Path(path)):
        if place.is_dir() and not place.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                place.chmod(stat.S_IRWXU)
    if function in (os.open, os.scandir, os.lstat):
        shutil.rmtree(path)
    else:
        function(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock that other processes and threads respect; the kernel frees it with its holder."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def tail(path: Path, lines: int, max_bytes: int = 64 * 1024) -> list[str]:
    """The last lines of a text file; none when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            start = max(0, file.tell() - max_bytes)
            file.seek(start)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    found = text.splitlines()
    return (found[1:] if start and len(found) > 1 else found)[-lines:] if lines > 0 else []
