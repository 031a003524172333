"""What is kept of screenshots: bounded, replaced by each run, and never found under a name of the suite's. Rows: P4,
S3."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.runtime.suites import screenshot_files
from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots
from programs.screenshots import Picture, Screenshot, Screenshots
from tests.pictures import png

A, B = "a" * 40, "b" * 40
FOUND = Screenshots((Screenshot("../../evil.png", Picture("png", 2, 2), png()),), omitted=3)


def test_only_the_last_run_is_kept(tmp_path: Path) -> None:
    screenshot_files.save(tmp_path, "browser", A, FOUND, ["browser"])
    kept = screenshot_files.load(tmp_path, "browser", A)
    assert [(item.file, item.name, item.width, item.bytes) for item in kept.files] == [
        ("0.png", "../../evil.png", 2, len(png()))
    ]
    assert kept.omitted == 3
    assert screenshot_files.read(tmp_path, "browser", "0.png") == ScreenshotContent("image/png", png())
    assert screenshot_files.load(tmp_path, "browser", B) == SuiteScreenshots()
    screenshot_files.save(tmp_path, "browser", B, Screenshots(), ["browser"])
    assert screenshot_files.load(tmp_path, "browser", A) == SuiteScreenshots()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["../0.png", "index.json", "0.svg", "0.png/", "", "٣.png", "0.png\n"])
def test_only_our_own_names_are_read(tmp_path: Path, file: str) -> None:
    screenshot_files.save(tmp_path, "browser", A, FOUND, ["browser"])
    assert screenshot_files.read(tmp_path, "browser", file) is None


def test_suites_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    """A repository could rename its suite with each push."""
    for number in range(8):
        screenshot_files.save(tmp_path, f"s{number}", A, FOUND, [f"s{number}"])
    assert [path.name for path in tmp_path.iterdir()] == ["s7.screenshots"]
    names = [f"t{number}" for number in range(8)]
    for number, name in enumerate(names):
        screenshot_files.save(tmp_path, name, A, FOUND, names)
        os.utime(tmp_path / f"{name}.screenshots", (number, number))
    kept = sorted(path.name.partition(".")[0] for path in tmp_path.iterdir())
    assert kept == names[-screenshot_files.MAX_SUITES :]


def test_a_killed_process_leaves_nothing_for_good(tmp_path: Path) -> None:
    (tmp_path / ".browser.screenshots.new").mkdir()
    (tmp_path / ".browser.screenshots.new" / "0.png").write_bytes(b"half")
    screenshot_files.save(tmp_path, "browser", A, FOUND, ["browser"])
    assert screenshot_files.load(tmp_path, "browser", A).files
    assert [path.name for path in tmp_path.iterdir()] == ["browser.screenshots"]
