"""Files next to the stacks: a tag, a lock, a record, a work folder.

A backend and an executor each know their own. Whether a file is an orphan is decided elsewhere
(``orchestrator.core.orphans``); here it is only described, and deleted on request.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Protocol

from stacks.model import StackRef, StrayFile


class HoldsStrayFiles(Protocol):
    def stray_files(self) -> list[StrayFile]:
        """Every file that may be an orphan and carries a name of ours. Raises OSError if a folder can't be read."""

    def delete_stray_file(self, file: StrayFile) -> None:
        """Deletes it if it is still there and hasn't changed since it was listed."""


def describe(kind: str, path: Path, ref: StackRef | None, reason: str, *, in_use: bool = False) -> StrayFile:
    command = shlex.join(["rm", "-r" if path.is_dir() else "-f", str(path)])
    return StrayFile(kind, str(path), ref, reason, command, in_use)


def delete_path(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def grandchildren(folder: Path) -> list[Path]:
    """Everything two levels down, sorted. What disappears during the listing is left out."""
    found: list[Path] = []
    for project in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            found += sorted(project.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found
