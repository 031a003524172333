"""A copy of the code with a guard disabled. A patch that doesn't match exactly once is an error, because it would prove
nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.sabotage.guards import Patch

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "stacks", "programs")


class PatchMismatch(Exception):
    """The text of a patch doesn't occur, or occurs more than once."""


def copy_code(folder: Path, patches: Iterable[Patch]) -> Path:
    """Including compiled files, so that unpatched modules aren't compiled again."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    for patch in patches:
        apply_patch(folder, patch)
    return folder


@contextmanager
def patched(folder: Path, patches: Sequence[Patch]) -> Iterator[None]:
    """In a copy, while the block lasts."""
    before = {folder / patch.file: (folder / patch.file).read_text() for patch in patches}
    try:
        for patch in patches:
            apply_patch(folder, patch)
        yield
    finally:
        for path, text in before.items():
            _write(path, text)


def apply_patch(folder: Path, patch: Patch) -> None:
    path = folder / patch.file
    text = path.read_text()
    if text.count(patch.old) != 1:
        raise PatchMismatch(f"{patch.file} holds {text.count(patch.old)} times: {patch.old!r}")
    _write(path, text.replace(patch.old, patch.new))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()  # its mtime might be in the same second


def mismatches(patches: Iterable[Patch]) -> list[str]:
    """What doesn't match."""
    wrong = []
    for patch in patches:
        found = (ROOT / patch.file).read_text().count(patch.old)
        if found != 1:
            wrong.append(f"{patch.file} holds {found} times: {patch.old!r}")
    return wrong
