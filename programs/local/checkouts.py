"""A plain folder with the files of one commit: no repository in it, nothing of git's that could run.

Written beside and renamed, so that a checkout is whole or absent. Refused: too large, too many files, a symbolic
link that leads out. Submodules stay empty folders and LFS files stay pointers.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from programs.local import files, identifiers, mirrors, sandbox
from programs.local.errors import LocalError
from programs.local.settings import MEGABYTE, Settings

FILES_MOST = 200_000


def make(settings: Settings, source: tuple[str, str], target: Path) -> None:
    """``source`` is the clone URL and the commit. What an interrupted earlier try left is made anew."""
    clone_url, commit = source
    mirror = mirrors.fetch(settings, clone_url, identifiers.commit(commit))
    _check_size(mirror, commit, settings.checkout_bytes)
    fresh = files.folder(target.parent / f".{uuid.uuid4().hex}")
    index = fresh.with_suffix(".index")
    try:
        _export(mirror, commit, fresh, index)
        _check_links(fresh)
        sandbox.hand_over(settings, fresh)
        files.remove(target)
        fresh.replace(target)
    finally:
        files.remove(fresh)
        files.remove(index)


def _export(mirror: Path, commit: str, fresh: Path, index: Path) -> None:
    # Not `git archive`: it would leave out what the repository's attributes mark as export-ignore.
    place = ["--git-dir", str(mirror), "--work-tree", str(fresh)]
    mirrors.git([*place, "read-tree", commit], GIT_INDEX_FILE=str(index))
    mirrors.git([*place, "checkout-index", "--all", "--quiet"], GIT_INDEX_FILE=str(index))


def _check_size(mirror: Path, commit: str, most: int) -> None:
    listing = mirrors.git(["-C", str(mirror), "ls-tree", "-r", "-l", "-z", "--full-tree", commit])
    sizes = [entry.split(None, 4)[3] for entry in listing.split(b"\0") if entry]
    total = sum(int(size) for size in sizes if size.isdigit())
    if total > most:
        raise LocalError(
            f"commit {commit[:12]} holds {total / MEGABYTE:.0f} MB of files, more than the server's limit of "
            f"{most / MEGABYTE:.0f} MB (setting checkout_bytes)"
        )
    if len(sizes) > FILES_MOST:
        raise LocalError(f"commit {commit[:12]} holds {len(sizes)} files, more than the limit of {FILES_MOST}")


def _check_links(checkout: Path) -> None:
    """Links are resolved on disk, not by their text: one link may lead through another."""
    top = Path(os.path.realpath(checkout))
    for folder, names, others in os.walk(checkout):
        for path in (Path(folder, name) for name in [*names, *others]):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(top):
                shown = path.relative_to(checkout)
                raise LocalError(
                    f"{shown} is a symbolic link to {str(path.readlink())!r}, which leads out of the repository; "
                    "make it point inside, or remove it"
                )


def inside(checkout: Path, path: str) -> Path:
    """A file of the checkout by its path in the repository."""
    found = Path(os.path.realpath(checkout / path))
    if not found.is_relative_to(os.path.realpath(checkout)):
        raise LocalError(f"{path} leads out of the repository; name a file in it")
    if not found.is_file():
        raise LocalError(f"there is no file {path} in the repository at this commit")
    return found
