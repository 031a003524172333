"""The process of a scheduled service: ``python -I -S runner.py SERVICE SCHEDULE COMMAND``, in the service's sandbox.

It waits for the schedule's next time, runs the command in a shell, and waits again. A run that fails or takes too long
only leaves a line in the log. A lock in the environment's home keeps runs of two commits from overlapping while an
update replaces one with the other.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

if __name__ == "__main__":  # Eph is on no path here
    sys.path.append(str(Path(__file__).parents[3]))

from programs.kit.cron import wording
from programs.kit.cron.schedule import CronSchedule, parse

MAX_SECONDS = 3600.0
"""As for a CronJob on Kubernetes."""
_LONGEST_SLEEP = 30.0
"""Seconds, because the machine's clock can be changed."""


@dataclass(frozen=True, slots=True)
class ScheduleRunner:
    schedule: CronSchedule
    run: Callable[[], None]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def run_next(self) -> None:
        """Waits for the next time and runs the command once."""
        due = self.schedule.next_after(self.now())
        log(wording.next_run(due))
        while (left := (due - self.now()).total_seconds()) > 0:
            self.sleep(min(left, _LONGEST_SLEEP))
        log(wording.starting(due))
        self.run()
        if self.schedule.next_after(due) <= self.now():
            log(wording.MISSED)


def run_command(command: str, lock: Path, seconds: float = MAX_SECONDS) -> None:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(wording.PREVIOUS_COMMIT_RUNS)
            return
        began = time.monotonic()
        process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            log(wording.too_long(seconds))
            # With everything that the command started, and this process, which supervisord starts again.
            os.killpg(0, signal.SIGKILL)
            return
        took = time.monotonic() - began
        log(wording.failed(code, took) if code else wording.succeeded(took))


def log(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(service: str, schedule: str, command: str) -> None:
    lock = Path(os.environ["HOME"]) / f".eph-{service}.lock"
    runner = ScheduleRunner(parse(schedule), lambda: run_command(command, lock), lambda: datetime.now(UTC), time.sleep)
    while True:
        runner.run_next()


if __name__ == "__main__":
    main(*sys.argv[1:])
