"""Lines of logs without times are found by the time at which they were printed, to within seconds. Row: P5."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from programs.kit import log_times
from programs.kit.log_times import LogTimes

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def after(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_position_is_where_the_log_ended_then(tmp_path: Path) -> None:
    times, log = LogTimes(), tmp_path / "web.log"
    for minute, text in ((0, "one\n"), (1, "one\n"), (2, "one\ntwo\n"), (5, "one\ntwo\nthree\n")):
        log.write_text(text)
        times.record(tmp_path, after(minute))
    found = {minute: log.read_text()[log_times.position(log, after(minute)) :] for minute in (-1, 0, 1, 2, 4, 5, 9)}
    assert found == {
        -1: "one\ntwo\nthree\n",
        0: "two\nthree\n",
        1: "two\nthree\n",
        2: "three\n",
        4: "three\n",
        5: "",
        9: "",
    }
    assert len(log_times.times_file(log).read_text().splitlines()) == 3, "a log that hasn't grown writes nothing"


def test_a_log_that_was_begun_again_is_shown_from_its_beginning(tmp_path: Path) -> None:
    times, log = LogTimes(), tmp_path / "web.log"
    for minute, text in ((0, "old and long\n"), (3, "new\n"), (4, "new\nnewer\n")):
        log.write_text(text)
        times.record(tmp_path, after(minute))
    assert log_times.position(log, after(1)) == 0
    assert log_times.position(log, after(3)) == len("new\n")
    log.write_text("x")  # and nothing has noted it yet
    assert log_times.position(log, after(4)) == 0


def test_a_restart_of_ephd_continues_the_times_and_they_stay_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_times, "MAX_BYTES", 200)
    log = tmp_path / "web.log"
    for minute in range(100):
        log.write_text("x" * (minute + 1))
        LogTimes().record(tmp_path, after(minute))
    assert log_times.times_file(log).stat().st_size <= 200
    assert log_times.position(log, after(98)) == 99
    assert log_times.position(log, after(0)) == 0, "what was dropped isn't known any more"


def test_without_times_everything_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    assert log_times.position(log, NOW) == 0
    log.write_text("one\n")
    assert log_times.position(log, NOW) == 0
    log_times.times_file(log).write_text("garbage\n1 2 3\nx y\n")
    assert log_times.position(log, NOW) == 0
