"""A plain folder with the files of one commit, without a repository or anything of git's that could run.

It is written to a temporary folder and renamed, so a checkout is either complete or absent. Rejected: commits that are
too large or too deep, contain too many files, or contain a symbolic link out of the repository. Submodules stay empty
folders and LFS files stay pointers, with a notice for each: fetching them would contact hosts that the repository
chooses.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from programs.kit import files, identifiers, tool_versions
from programs.kit.errors import CheckoutTooLarge, CommitFailed
from programs.kit.git import commit_trees, mirrors, wording
from programs.kit.git.commit_trees import CommitEntry
from programs.kit.host_settings import MEGABYTE, HostSettings

LFS_POINTER_PREFIX = b"version https://git-lfs.github.com/spec/"
MAX_POINTER_BYTES = 1024
"""In bytes: the limit of the LFS pointer format."""
MAX_LISTED_PATHS = 5


def create(settings: HostSettings, source: tuple[str, str], target: Path) -> tuple[str, ...]:
    """Creates the checkout and returns notices about its files. ``source`` is the clone URL and the commit. An
    incomplete checkout is replaced."""
    clone_url, commit = source
    mirror = mirrors.fetch(settings, clone_url, identifiers.check_commit(commit))
    entries = commit_trees.list_entries(mirror, commit)
    _check_size(entries, commit, settings.checkout_bytes)
    fresh = files.make_folder(target.parent / f".{uuid.uuid4().hex}")
    index = fresh.with_suffix(".index")
    try:
        _export(mirror, commit, fresh, index)
        _check_links(fresh)
        files.remove(target)
        fresh.replace(target)
        return (*_notes(target, entries), *tool_versions.notices(settings, target))
    finally:
        files.remove(fresh)
        files.remove(index)


def _export(mirror: Path, commit: str, folder: Path, index: Path) -> None:
    # Not `git archive`, which leaves out what the repository's attributes mark as export-ignore.
    place = ["--git-dir", str(mirror), "--work-tree", str(folder)]
    mirrors.git([*place, "read-tree", commit], GIT_INDEX_FILE=str(index))
    mirrors.git([*place, "checkout-index", "--all", "--quiet"], GIT_INDEX_FILE=str(index))


def _check_size(tree_entries: list[CommitEntry], commit: str, max_bytes: int) -> None:
    total = sum(entry.size or 0 for entry in tree_entries)
    if total > max_bytes:
        raise CheckoutTooLarge(wording.commit_too_large(commit, total / MEGABYTE, max_bytes / MEGABYTE))


def _notes(checkout: Path, entries: list[CommitEntry]) -> tuple[str, ...]:
    submodules = [os.fsdecode(entry.path) for entry in entries if entry.size is None]
    small = (os.fsdecode(entry.path) for entry in entries if entry.size is not None and entry.size <= MAX_POINTER_BYTES)
    pointers = [path for path in small if _is_pointer(checkout / path)]
    notes = [wording.submodules(_list_paths(submodules))] if submodules else []
    notes += [wording.large_files(_list_paths(pointers))] if pointers else []
    return tuple(notes)


def _is_pointer(path: Path) -> bool:
    if path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER_PREFIX)) == LFS_POINTER_PREFIX


def _list_paths(paths: list[str]) -> str:
    shown = ", ".join(repr(path) for path in paths[:MAX_LISTED_PATHS])
    more = len(paths) - MAX_LISTED_PATHS
    return wording.and_more(shown, more) if more > 0 else shown


def _check_links(checkout: Path) -> None:
    """Resolves links on disk, not by their text, because a link can go through another one."""
    top = Path(os.path.realpath(checkout))
    for folder, names, others in os.walk(checkout):
        for path in (Path(folder, name) for name in [*names, *others]):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(top):
                shown = commit_trees.printable(str(path.relative_to(checkout)))
                raise CommitFailed(wording.link_outside(shown, str(path.readlink())))


def file_in_checkout(checkout: Path, path: str) -> Path:
    """A file in the checkout, given its path in the repository."""
    found = Path(os.path.realpath(checkout / path))
    if not found.is_relative_to(os.path.realpath(checkout)):
        raise CommitFailed(wording.path_outside(path))
    if not found.is_file():
        raise CommitFailed(wording.file_missing(path))
    return found
