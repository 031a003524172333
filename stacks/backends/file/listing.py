"""The stacks of a file backend and their versions: the size, time and inode of three paths each, and no file opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from stacks import names
from stacks.backends.file import wording
from stacks.backends.file.layout import STATE_SUFFIX, FileLayout
from stacks.backends.port import StackListing, Version
from stacks.model import StackRef


@dataclass(slots=True)
class _Found:
    ours: list[StackRef] = field(default_factory=list)
    foreign: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, project: str, files: list[str]) -> None:
        found = [StackRef(project, name.removesuffix(STATE_SUFFIX)) for name in files if name.endswith(STATE_SUFFIX)]
        mine = [ref for ref in found if names.parse(ref) is not None]
        self.ours += mine
        self.foreign += len(found) - len(mine)


def list_stacks(layout: FileLayout) -> StackListing:
    """Raises OSError if the projects can't be listed."""
    found = _Found()
    for project in _entries(layout.root / "stacks"):
        try:
            found.add(project, _entries(layout.root / "stacks" / project))
        except OSError as error:
            found.problems.append(wording.stacks_not_listed(project, error.strerror))
    versions = {ref: version for ref in found.ours if (version := _version(layout, ref)) != ()}
    return StackListing(versions, found.foreign, tuple(found.problems))


def _version(layout: FileLayout, ref: StackRef) -> Version | None:
    """Empty if the stack disappeared since it was listed; None if one of its files can't be examined."""
    try:
        state = _fingerprint(layout.state_file(ref))
        if state is None:
            return ()
        return state, _fingerprint(layout.tag_file(ref)), _fingerprint(layout.history_folder(ref))
    except OSError:
        return None


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _entries(folder: Path) -> list[str]:
    """Names in a folder; none if it is a file, or disappeared with its last stack since it was listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
