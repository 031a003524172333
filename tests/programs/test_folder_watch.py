"""L5: a visit's wake request and the awakened route are noticed at once, not at the next look."""

from __future__ import annotations

from pathlib import Path

from programs.kit import files
from programs.kit.folder_watch import FolderWatch

LONG = 60.0
"""Longer than a test may take: a wait that only ends with its time fails."""


async def test_a_replaced_file_ends_the_wait(tmp_path: Path) -> None:
    with FolderWatch(tmp_path) as watch:
        files.write(tmp_path / "a.json", "{}")
        assert await watch.wait(LONG)


async def test_each_folder_is_watched(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with FolderWatch(first, second) as watch:
        for folder in (second, first):
            files.write(folder / "a.json", "{}")
            assert await watch.wait(LONG)


async def test_a_quiet_folder_ends_no_wait(tmp_path: Path) -> None:
    with FolderWatch(tmp_path) as watch:
        files.write(tmp_path / "a.json", "{}")
        assert await watch.wait(LONG)
        assert not await watch.wait(0.01)


async def test_without_the_folder_a_wait_ends_with_its_time(tmp_path: Path) -> None:
    with FolderWatch(tmp_path / "absent") as watch:
        assert not await watch.wait(0.01)


async def test_a_closed_watch_can_be_opened_again(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    for _ in range(2):
        with watch:
            files.write(tmp_path / "a.json", "{}")
            assert await watch.wait(LONG)
