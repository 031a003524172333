"""Copies the folder that a build created, so that what is served contains only regular files and folders.

The build may leave anything there: links to other places, pipes, a tree without end. Nothing of the repository runs any
more when this is called.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs.kit.errors import CommitFailed
from programs.targets.static import wording

MAX_FILES = 100_000
MAX_DEPTH = 40


@dataclass(slots=True)
class _Budget:
    files_left: int
    bytes_left: int
    max_bytes: int

    def take(self, size: int) -> None:
        self.files_left -= 1
        self.bytes_left -= size
        if self.files_left < 0:
            raise CommitFailed(wording.too_many_files(MAX_FILES))
        if self.bytes_left < 0:
            raise CommitFailed(wording.site_too_large(self.max_bytes))


def copy_site(checkout: Path, root: str, target: Path, max_bytes: int) -> None:
    """``root`` is the folder in the checkout. ``target`` must not exist."""
    top = Path(os.path.realpath(checkout / root))
    if not top.is_relative_to(os.path.realpath(checkout)):
        raise CommitFailed(wording.root_outside(root))
    if not top.is_dir():
        raise CommitFailed(wording.no_folder(root))
    budget = _Budget(MAX_FILES, max_bytes, max_bytes)
    target.mkdir(mode=0o700)
    pending = [Path()]
    while pending:
        folder = pending.pop()
        try:
            pending += _copy_folder(top, folder, target, budget)
        except OSError as error:
            raise CommitFailed(wording.folder_unreadable(f"{root}/{folder}", error.strerror)) from error


def check_pages(site: Path, root: str, fallback: str | None) -> None:
    """Raises if the site has no page for ``/``, or not the fallback."""
    if fallback and not (site / fallback).is_file():
        raise CommitFailed(wording.no_fallback(fallback, root))
    if not fallback and not (site / "index.html").is_file():
        raise CommitFailed(wording.no_index(root))


def _copy_folder(top: Path, folder: Path, target: Path, budget: _Budget) -> Iterator[Path]:
    """Returns its subfolders."""
    found = []
    with os.scandir(top / folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if not entry.is_dir(follow_symlinks=False):
                _copy_file(top, path, target / path, budget)
                continue
            if len(path.parts) > MAX_DEPTH:
                raise CommitFailed(wording.too_deep(path, MAX_DEPTH))
            budget.take(0)
            (target / path).mkdir(mode=0o700)
            found.append(path)
    return iter(found)


def _copy_file(top: Path, path: Path, target: Path, budget: _Budget) -> None:
    real = Path(os.path.realpath(top / path))
    if not real.is_relative_to(top):
        raise CommitFailed(wording.link_outside(path))
    try:
        # A pipe would block without O_NONBLOCK.
        source = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CommitFailed(wording.unreadable(path, error.strerror)) from error
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise CommitFailed(wording.not_regular(path))
        budget.take(status.st_size)
        with target.open("xb") as copy, os.fdopen(source, "rb", closefd=False) as original:
            shutil.copyfileobj(original, copy)
    finally:
        os.close(source)
