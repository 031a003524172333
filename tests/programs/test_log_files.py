"""Reading log files that grow: P5."""

from __future__ import annotations

from pathlib import Path

import pytest

from programs.kit import log_files
from programs.runtime_info import LogRequest


def follow(path: Path, position: str) -> tuple[list[str], str]:
    return log_files.read(path, LogRequest(since={"web": position}), "web")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(log_files, "MAX_BYTES", 10)
    return tmp_path / "web.log"


def test_lines_are_returned_whole(log: Path) -> None:
    log.write_text("one\ntwo\nthree\nfo")
    first, position = follow(log, "0")
    second, position = follow(log, position)
    assert [*first, *second] == ["one", "two", "three"]
    log.write_text("one\ntwo\nthree\nfour\n")
    assert follow(log, position) == (["four"], "19")


def test_a_line_longer_than_one_read_does_not_block_the_reader(log: Path) -> None:
    log.write_text("x" * 25 + "\nend\n")
    position, found = "0", list[str]()
    for _ in range(5):
        fresh, position = follow(log, position)
        found += fresh
    assert "".join(found) == "x" * 25 + "end"


def test_a_file_that_was_begun_again_is_read_from_its_start(log: Path) -> None:
    log.write_text("new\n")
    assert follow(log, "900") == (["new"], "4")


def test_a_missing_file_is_empty(log: Path) -> None:
    assert follow(log, "4") == ([], "0")
