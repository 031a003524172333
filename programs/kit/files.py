"""Atomic file writes, reliable removal of folders, and locks that are released when their process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from programs.kit import trees


def make_folder(path: Path) -> Path:
    """Creates a folder that only its owner can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write(path: Path, text: str, mode: int = 0o600, durable: bool = False) -> None:
    """Writes a temporary file, then renames it: a reader sees either the old text or the new one.

    ``durable``: flushes the file before the rename, so this also holds after a power loss.
    """
    with _temporary_file(path, text.encode(), mode, durable) as fresh:
        fresh.replace(path)


def create(path: Path, content: bytes) -> bool:
    """Creates a file atomically and durably. Returns False, and leaves the existing file alone, if the name is
    taken."""
    with _temporary_file(path, content, 0o600, durable=True) as fresh:
        try:
            os.link(fresh, path)
        except FileExistsError:
            return False
    return True


@contextlib.contextmanager
def _temporary_file(path: Path, content: bytes, mode: int, durable: bool) -> Iterator[Path]:
    """A file with this content next to ``path``, removed at the end unless it was renamed."""
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
    """Removes a file, a link or a whole tree, even if a preview changed the modes of its folders."""
    if not path.is_dir() or path.is_symlink():
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # it became a folder meanwhile
            path.unlink()
            return
    with contextlib.suppress(FileNotFoundError):
        trees.remove_tree(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock that other processes and threads respect. The kernel releases it if the holder dies."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def tail(path: Path, lines: int, max_bytes: int = 64 * 1024) -> list[str]:
    """The last lines of a text file; empty if the file doesn't exist."""
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


@contextlib.contextmanager
def open_regular_file(top: Path, path: str) -> Iterator[int]:
    """A descriptor of a regular file below ``top``, reached without links; -1 if there is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder_fd = os.open(top, flags | os.O_DIRECTORY)
    try:
        *folders, last = [part for part in path.split("/") if part not in ("", ".")]
        for name in folders:
            deeper = os.open(name, flags | os.O_DIRECTORY, dir_fd=folder_fd)
            os.close(folder_fd)
            folder_fd = deeper
        file = os.open(last, flags | os.O_NONBLOCK, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else -1
    finally:
        os.close(file)
