"""A short storm, and that the harness sees what it is there to see.

L2 (crash-only), L6 (one operation per stack), L7 (nothing stays), L8 (locks heal), O1 (the ledger), S4 (no secrets).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos import outcomes, run_process, schedules
from tests.chaos.outcomes import Outcome, Problem
from tests.chaos.overlap_audit import OverlapAudit
from tests.chaos.resources import Clock

SEED = 4


@pytest.mark.real
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", [0, 1])
def test_system_converges_after_faults(run: int) -> None:
    outcome = run_process.run_once(SEED, run)
    assert outcome is not None
    assert outcome.problems == []
    assert outcome.faults.total() >= schedules.MIN_FAULTS
    assert outcome.operations > 0


def test_a_seed_repeats_its_schedule_and_each_run_has_its_own() -> None:
    assert schedules.schedule(7, 3) == schedules.schedule(7, 3)
    assert schedules.schedule(7, 3) != schedules.schedule(7, 4)
    assert schedules.schedule(7, 3) != schedules.schedule(8, 3)


@pytest.mark.parametrize("seed", range(50))
def test_every_run_has_enough_faults_and_ends_in_time(seed: int) -> None:
    steps = schedules.schedule(seed, 0)
    assert sum(step.is_fault for step in steps) >= schedules.MIN_FAULTS
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert steps[-1].at < schedules.SECONDS + 3


def test_every_fault_and_every_step_happens_within_some_runs() -> None:
    kinds = {step.kind for run in range(50) for step in schedules.schedule(1, run)}
    assert kinds == {*schedules.HISTORY, *schedules.FAULTS}


def test_two_that_work_on_one_stack_are_an_overlap(tmp_path: Path) -> None:
    """L6: the audit's own proof; a slow program stands in for Pulumi."""
    real = tmp_path / "real"
    real.write_text(f"#!{sys.executable} -IS\nprint('at work', flush=True)\ninput()\n")
    real.chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text("name: eph-shop-1\n")
    audit = OverlapAudit(tmp_path / "audit")
    wrapper = audit.install(real) / "pulumi"

    def start(stack: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        began = subprocess.Popen([wrapper, "up", "--stack", stack], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True)
        assert began.stdout is not None
        assert began.stdout.readline() == "at work\n"
        return began

    first = start("pr-1")
    assert audit.is_busy("eph-shop-1.pr-1")
    other = start("pr-2")
    assert audit.overlaps() == []
    second = start("pr-1")
    assert len(audit.overlaps()) == 1
    for process in (first, other, second):
        process.communicate("\n", timeout=10)
    assert not audit.is_busy("eph-shop-1.pr-1")
    start("pr-1").communicate("\n", timeout=10)
    assert len(audit.overlaps()) == 1


def test_a_clock_can_be_set_for_some_alone(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    if not clock.environ:
        pytest.skip("no C compiler: the clock stays as it is")
    look = [sys.executable, "-ISc", "import datetime, time; print(time.time(), datetime.datetime.now().timestamp())"]
    for ahead in (0, 7200, -7200):
        clock.set(ahead)
        before = time.time()
        said = subprocess.run(look, env=clock.environ, capture_output=True, text=True, timeout=30, check=True).stdout
        assert all(0 <= float(word) - ahead - before < 30 for word in said.split())


_FULL = """
import sys
from pathlib import Path
from tests.chaos import resources
disk = resources.Disk(Path(sys.argv[1]), 1) if resources.enter_mount_namespace() else None
if disk is None or not disk.is_mounted:
    sys.exit(3)
disk.fill()
try:
    Path(sys.argv[1], "one").write_text("x" * 70000)
except OSError as error:
    print(error.strerror)
disk.free()
Path(sys.argv[1], "two").write_text("x" * 70000)
"""


def test_a_disk_can_be_full_for_one_run_alone(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _FULL, str(tmp_path / "disk")]
    done = subprocess.run(words, cwd=run_process.ROOT, capture_output=True, text=True, timeout=60)
    if done.returncode == 3:
        pytest.skip("mounting a disk takes root")
    assert (done.stdout, done.stderr, done.returncode) == ("No space left on device\n", "", 0)
    assert list((tmp_path / "disk").iterdir()) == [], "nobody else sees it"


def test_summary_line_covers_all_runs() -> None:
    good = Outcome(1, 0, Counter(kill_ephd=9))
    bad = Outcome(1, 1, Counter(kill_ephd=8), problems=[Problem(kind, "a") for kind in ("leaks", "leaks", "stuck")])
    line = "chaos: 2 runs, 17 faults, leaks 2, lost 0, stuck 1, overlaps 0, secrets 0"
    assert outcomes.summary_lines([outcomes.load(good.dump()), outcomes.load(bad.dump())])[-1] == line
