"""An adapter's name stands in its own folder and nowhere else, so that adding one takes no edit elsewhere. Row: O5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("orchestrator", "stacks", "programs")


@dataclass(frozen=True)
class Door:
    """``homes``: the folders that may name it. ``allowed``: lines elsewhere that may, by file, with the reason."""

    name: str
    homes: tuple[str, ...]
    allowed: tuple[tuple[str, str], ...]


FORGES = [
    Door(
        "github",
        ("orchestrator/forges/github/", "orchestrator/demo/"),
        (
            ("orchestrator/forges/registry.py", 'DEFAULT = "github"'),  # the one default
            ("programs/kit/git/checkouts.py", "https://git-lfs.github.com/spec/"),  # the first line of an LFS pointer
        ),
    )
]


def lines_that_name(door: Door) -> Iterator[str]:
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*")):
        where = path.relative_to(ROOT).as_posix()
        if path.suffix == ".pyc" or not path.is_file() or where.startswith(door.homes):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            allowed = any(where == file and text in line for file, text in door.allowed)
            if door.name in line.lower() and not allowed:
                yield f"{where}:{number}: {line.strip()}"


@pytest.mark.parametrize("door", FORGES, ids=lambda door: door.name)
def test_git_host_is_named_in_its_own_folder_only(door: Door) -> None:
    assert list(lines_that_name(door)) == []


def test_every_git_host_is_looked_for() -> None:
    folders = {path.parent.name for path in (ROOT / "orchestrator" / "forges").glob("*/__init__.py")}
    assert folders == {door.name for door in FORGES}
