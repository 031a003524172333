"""An adapter's name stands in its own folder and nowhere else, so that adding one takes no edit elsewhere. Row: O5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("orchestrator", "stacks", "programs")


FORGES = sorted(path.parent.name for path in (ROOT / "orchestrator" / "forges").glob("*/adapter.py"))
ALLOWED = (
    ("orchestrator/forges/registry.py", 'DEFAULT = "github"'),  # the one default
    ("programs/kit/git/checkouts.py", "https://git-lfs.github.com/spec/"),  # the first line of an LFS pointer
)
"""Lines that may name a Git host all the same, by file."""


def lines_that_name(name: str, homes: tuple[str, ...]) -> Iterator[str]:
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*")):
        where = path.relative_to(ROOT).as_posix()
        if path.suffix == ".pyc" or not path.is_file() or where.startswith(homes):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if name in line.lower() and not any(where == file and text in line for file, text in ALLOWED):
                yield f"{where}:{number}: {line.strip()}"


@pytest.mark.parametrize("name", FORGES)
def test_git_host_is_named_in_its_own_folder_only(name: str) -> None:
    assert list(lines_that_name(name, (f"orchestrator/forges/{name}/", "orchestrator/demo/"))) == []
