"""Removes any folder tree, however deep, without recursion.

A preview chooses the shape of its tree. Python 3.11's ``shutil.rmtree`` recurses, so 1,500 nested folders make it
fail forever. Here each subfolder is moved up into the root before it is emptied: no path is ever more than two names
long, and an interrupted removal continues where it stopped. What can't be removed is reported after everything else is
gone.
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

from programs.kit.errors import TargetError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeNotRemoved(TargetError):
    """Something in the tree can't be deleted, for example an immutable file."""


def remove_tree(path: Path) -> None:
    """Removes a folder and everything in it, even if its modes forbid it. Never follows a link."""
    with contextlib.suppress(OSError):
        path.chmod(stat.S_IRWXU)
    root = os.open(path, _FOLDER)
    try:
        failures = _Removal(root).run()
    finally:
        os.close(root)
    if failures:
        raise _not_removed(path, failures)
    path.rmdir()


@dataclass(slots=True)
class _Removal:
    """``pending``: names of folders that were moved into the root and aren't empty yet."""

    root: int
    pending: list[str] = field(default_factory=list)
    failures: list[OSError] = field(default_factory=list)

    def run(self) -> list[OSError]:
        self._empty(self.root)
        while self.pending:
            name = self.pending.pop()
            folder = os.open(name, _FOLDER, dir_fd=self.root)
            try:
                self._empty(folder)
            finally:
                os.close(folder)
            with self._recorded():
                os.rmdir(name, dir_fd=self.root)
        return self.failures

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
        os.chmod(name, stat.S_IRWXU, dir_fd=folder)
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


def _not_removed(path: Path, failures: list[OSError]) -> TreeNotRemoved:
    """A folder that isn't empty is only a consequence, so the first failure is what an operator needs to know."""
    first = failures[0]
    where = f"{path}: {os.fsdecode(first.filename or '')!a} can't be deleted: {first.strerror}."
    if first.errno == errno.EPERM:
        return TreeNotRemoved(f"{where} It is probably immutable; to allow it: chattr -R -i -a {path}")
    return TreeNotRemoved(f"{where} Check its permissions and mount points.")
