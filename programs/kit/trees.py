"""Removes any folder tree, however deep, without recursion.

A preview chooses the shape of its tree. Python 3.11's ``shutil.rmtree`` recurses, so 1,500 nested folders make it
fail forever. Here each subfolder is moved up into the root before it is emptied: no path is ever more than two names
long, and an interrupted removal continues where it stopped.
"""

from __future__ import annotations

import contextlib
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
