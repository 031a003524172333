"""Scheduled services: what a schedule means, and how its runs follow each other (issue 14 item 6, T1, Y2)."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from programs.kit.cron import command, runner, wording
from programs.kit.cron.runner import ScheduleRunner
from programs.kit.cron.schedule import InvalidSchedule, parse
from programs.kit.processes import own_python

MONDAY = datetime(2026, 11, 30, 16, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("* * * * *", "2026-11-30 16:06"),
        ("*/15 * * * *", "2026-11-30 16:15"),
        ("5 16 * * *", "2026-12-01 16:05"),
        ("2/20 * * * *", "2026-11-30 16:22"),
        ("10-20/5,50 8-9 * * *", "2026-12-01 08:10"),
        ("0 3 * * Tue-THU", "2026-12-01 03:00"),
        ("0 3 * * 0", "2026-12-06 03:00"),
        ("0 0 1 jan *", "2027-01-01 00:00"),
        ("0 0 15 * 5", "2026-12-04 00:00"),  # a Friday, although it isn't the 15th
        ("0 0 */2 * 5", "2026-12-01 00:00"),  # a step limits the day, too
        ("0 0 13 * *", "2026-12-13 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("59 23 31 12 *", "2026-12-31 23:59"),
    ],
)
def test_next_time_is_that_of_a_cron_job(text: str, due: str) -> None:
    assert f"{parse(text).next_after(MONDAY):%Y-%m-%d %H:%M}" == due


def test_leap_days_are_found_across_a_century() -> None:
    assert parse("0 0 29 2 *").next_after(datetime(2096, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "field", "part"),
    [
        ("* * * *", "", ""),
        ("60 * * * *", "minute", "60"),
        ("* 24 * * *", "hour", "24"),
        ("* * 0 * *", "day", "0"),
        ("* * * 13 *", "month", "13"),
        ("* * * * 7", "weekday", "7"),  # Kubernetes refuses it, too
        ("* * * mon *", "month", "mon"),
        ("*/0 * * * *", "minute", "*/0"),
        ("20-10 * * * *", "minute", "20-10"),
        ("1,,2 * * * *", "minute", ""),
        ("*-5 * * * *", "minute", "*-5"),
        ("-1 * * * *", "minute", "-1"),
        ("٣ * * * *", "minute", "٣"),
        ("0 0 30 2 *", "day", ""),
        ("0 0 31 4,6,9,11 *", "day", ""),
    ],
)
def test_what_kubernetes_refuses_and_what_never_happens_is_invalid(text: str, field: str, part: str) -> None:
    with pytest.raises(InvalidSchedule) as error:
        parse(text)
    assert (error.value.field, error.value.part) == (field, part)


@dataclass
class Clock:
    """Sleeping takes no time. Each run takes as long as the next of ``takes``."""

    time: datetime = MONDAY
    takes: list[timedelta] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.on_sleep()

    def run(self) -> None:
        self.runs.append(f"{self.time:%H:%M:%S}")
        self.time += self.takes.pop(0) if self.takes else timedelta()


def test_runs_follow_the_schedule_and_never_overlap(capsys: pytest.CaptureFixture[str]) -> None:
    """As with Forbid: what is due during a run is skipped."""
    clock = Clock(takes=[timedelta(seconds=3), timedelta(minutes=11), timedelta(seconds=1)])
    made = ScheduleRunner(parse("*/5 * * * *"), clock.run, clock.now, clock.sleep)
    for _ in range(3):
        made.run_next()
    assert clock.runs == ["16:10:00", "16:15:00", "16:30:00"]
    assert capsys.readouterr().out.splitlines().count(wording.MISSED) == 1


def test_a_clock_that_is_set_while_it_waits_counts() -> None:
    clock = Clock()
    clock.on_sleep = lambda: setattr(clock, "time", max(clock.time, datetime(2026, 11, 30, 17, 30, tzinfo=UTC)))
    ScheduleRunner(parse("0 17 * * *"), clock.run, clock.now, clock.sleep).run_next()
    assert clock.runs == ["17:30:00"]


def test_a_failed_run_is_a_line_in_the_log_and_nothing_more(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runner.run_command("echo working; exit 3", tmp_path / "lock")
    runner.run_command("true", tmp_path / "lock")
    working, failed, succeeded = capfd.readouterr().out.splitlines()
    assert working == "working"
    assert failed.startswith(wording.failed(3, 0).partition(" after")[0])
    assert succeeded.startswith(wording.succeeded(0).partition(" after")[0])


def test_a_run_waits_for_no_run_of_the_previous_commit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is skipped, as during an update in which both commits have the service."""
    lock = tmp_path / "lock"
    with lock.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        runner.run_command("echo ran", lock)
    assert capfd.readouterr().out.splitlines() == [wording.PREVIOUS_COMMIT_RUNS]
    runner.run_command("echo ran", lock)
    assert "ran" in capfd.readouterr().out.splitlines()


def test_a_run_that_takes_too_long_ends_with_everything_that_it_started(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from programs.kit.cron import runner; "
    code += f"runner.run_command('sleep 60 & echo $!; wait', Path({str(tmp_path / 'lock')!r}), 0.3)"
    words = [own_python.PROGRAM, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, start_new_session=True, check=False, cwd=Path.cwd())
    started, stopped = done.stdout.splitlines()
    assert done.returncode < 0
    assert stopped == wording.too_long(0.3)
    state = Path(f"/proc/{started}/stat")
    assert not state.exists() or state.read_text().rpartition(") ")[2].startswith("Z")


def test_its_process_needs_nothing_but_python(tmp_path: Path) -> None:
    """In the sandbox there is no package of Eph's but this one."""
    script = command.line("night", "0 3 * * 7", "true")
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "InvalidSchedule: weekday 7" in done.stderr
