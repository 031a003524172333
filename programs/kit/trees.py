"""Removes any folder tree, or changes its owner, however deep it is, without recursion.

A preview chooses the shape of its tree. Python 3.11's ``shutil.rmtree`` recurses, so 1,500 nested folders make it
fail forever. Here each subfolder is moved up into the root before it is emptied: no path is ever more than two names
long, and an interrupted removal continues where it stopped. What can't be removed is reported after everything else is
gone.

A process of the preview may exchange folders for links meanwhile. So a folder is opened first, without following
links, and only what was opened is changed or entered.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from programs.kit import wording
from programs.kit.errors import TargetError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNREAD = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Needs no permission on the folder itself."""


class TreeNotRemoved(TargetError):
    """Something in the tree can't be deleted, for example an immutable file."""


def remove_tree(path: Path) -> None:
    """Removes a folder and everything in it, even if its modes forbid it. Never follows a link."""
    root = _open_unlocked(path)
    try:
        failures = _Removal(root).run()
    finally:
        os.close(root)
    if not failures:
        try:
            path.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:  # something was created meanwhile
            failures.append(error)
    if failures:
        raise _not_removed(path, failures)


@dataclass(slots=True)
class _Removal:
    """``pending``: names of folders that were moved into the root and aren't empty yet."""

    root: int
    pending: list[str] = field(default_factory=list)
    failures: list[OSError] = field(default_factory=list)

    def run(self) -> list[OSError]:
        self._empty(self.root)
        while self.pending:
            with self._recorded():
                self._remove(self.pending.pop())
        return self.failures

    def _remove(self, name: str) -> None:
        folder = _open_unlocked(name, self.root)
        try:
            self._empty(folder)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=self.root)

    def _empty(self, folder: int) -> None:
        """Deletes the files of a folder and moves its subfolders into the root."""
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            with self._recorded():
                if entry.is_dir(follow_symlinks=False):
                    self._move_up(entry.name, folder)
                else:
                    os.unlink(entry.name, dir_fd=folder)

    def _move_up(self, name: str, folder: int) -> None:
        os.close(_unlock(name, folder))  # moving a folder needs the permission to write to it
        moved = uuid.uuid4().hex
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=self.root)
        self.pending.append(moved)

    @contextlib.contextmanager
    def _recorded(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            pass  # it was removed meanwhile
        except OSError as error:
            self.failures.append(error)


def _open_unlocked(path: Path | str, parent: int | None = None) -> int:
    """Opens a folder for reading, even if its mode forbids it. Raises OSError if it is a link."""
    unlocked = _unlock(path, parent)
    try:
        return os.open(".", _FOLDER, dir_fd=unlocked)
    finally:
        os.close(unlocked)


def _unlock(path: Path | str, parent: int | None) -> int:
    """Changes a folder's mode. Returns a descriptor of that very folder."""
    found = os.open(path, _UNREAD, dir_fd=parent)
    with contextlib.suppress(OSError):  # the mode may be good enough
        Path(f"/proc/self/fd/{found}").chmod(stat.S_IRWXU)
    return found


def _not_removed(path: Path, failures: list[OSError]) -> TreeNotRemoved:
    """A folder that isn't empty is only a consequence, so the first failure is what an operator needs to know."""
    first = failures[0]
    failure = wording.not_deleted(path, ascii(os.fsdecode(first.filename or "")), first.strerror)
    if first.errno == errno.EPERM:
        return TreeNotRemoved(wording.probably_immutable(failure, path))
    return TreeNotRemoved(wording.check_permissions(failure))


def change_owner(path: Path, uid: int) -> None:
    """Makes the user the owner of a tree. Never follows a link, even while a process exchanges folders for links.

    Raises OSError if a folder was moved meanwhile: its parent isn't the one that was entered.
    """
    os.chown(path, uid, uid, follow_symlinks=False)
    folder = os.open(path, _FOLDER)
    entered: list[tuple[tuple[int, int], list[str]]] = []
    try:
        pending = _change_entries(folder, uid)
        while pending or entered:
            if pending:
                below = _open_folder(pending.pop(), folder)
                if below is None:
                    continue
                entered.append((_identity(folder), pending))
                os.close(folder)
                folder = below
                pending = _change_entries(folder, uid)
            else:
                above = os.open("..", _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = above
                expected, pending = entered.pop()
                if _identity(folder) != expected:
                    raise OSError(errno.EAGAIN, wording.FOLDER_MOVED, str(path))
    finally:
        os.close(folder)


def _change_entries(folder: int, uid: int) -> list[str]:
    """Changes the owner of everything in a folder. Returns the names of its subfolders."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, _ in found:
        with contextlib.suppress(FileNotFoundError):
            os.chown(name, uid, uid, dir_fd=folder, follow_symlinks=False)
    return [name for name, is_folder in found if is_folder]


def _open_folder(name: str, parent: int) -> int | None:
    """None if it was removed or exchanged meanwhile."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _identity(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino
