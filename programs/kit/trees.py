"""Removes any folder tree, or changes its owner, however deep it is, without recursion.

A preview chooses the shape of its tree. Python 3.11's ``shutil.rmtree`` recurses, so 1,500 nested folders make it
fail forever. Here each subfolder is moved up into the root before it is emptied: no path is ever more than two names
long, and an interrupted removal continues where it stopped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Removes a folder and everything in it, even if its modes forbid it. Never follows a link."""
    path.chmod(stat.S_IRWXU)
    root = os.open(path, _FOLDER)
    try:
        pending = _empty(root, root)
        while pending:
            name = pending.pop()
            folder = os.open(name, _FOLDER, dir_fd=root)
            try:
                pending += _empty(folder, root)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=root)
    finally:
        os.close(root)
    path.rmdir()


def _empty(folder: int, root: int) -> list[str]:
    """Deletes the files of a folder and moves its subfolders into the root. Returns their new names."""
    moved = []
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=folder)
            continue
        os.chmod(entry.name, stat.S_IRWXU, dir_fd=folder)
        name = uuid.uuid4().hex
        os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=root)
        moved.append(name)
    return moved


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
                    raise OSError(errno.EAGAIN, "a folder was moved while its owner was changed", str(path))
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
