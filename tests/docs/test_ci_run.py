"""CI's script: which targets it runs, which of them side by side, and what it does when one fails or on an interrupt.

``make`` is a script that only notes what it was called with: the targets themselves take half an hour.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / ".ci"
MAKE = """#!/bin/sh
echo "output of $1"
echo "begin $1" >>"$NOTES"
wait_for() {
  for _ in $(seq 500); do grep -q "begin $1" "$NOTES" && return; sleep 0.1; done
  exit 1
}
case " $FAILS " in *" $1 "*) exit 3;; esac
case "$1" in
  "$HANGS") echo $$ >"$NOTES.pid"; sleep 61;;
  "$WAITS") wait_for test-cluster;;
  test-cluster-small) wait_for attack;;
esac
echo "end $1" >>"$NOTES"
"""


@pytest.fixture
def ci(tmp_path: Path) -> dict[str, str]:
    """Variables for a copy of the script."""
    shutil.copytree(CI, tmp_path / ".ci")
    programs = tmp_path / "bin"
    programs.mkdir()
    python = f'#!/bin/sh\nexec {sys.executable} -IS "$@"\n'  # without packages, it starts in a tenth of the time
    for name, text in {"make": MAKE, "python": python}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": str(programs / "python"), "TMPDIR": str(tmp_path)}
    return {**os.environ, **path, "NOTES": str(tmp_path / "notes"), "FAILS": "", "HANGS": "none", "WAITS": "none"}


def run(ci: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    script = str(Path(ci["NOTES"]).parent / ".ci" / "run")
    return subprocess.run([script, *words], env=ci, capture_output=True, text=True, timeout=60, check=False)


def begun(ci: dict[str, str]) -> list[str]:
    return [line.split()[1] for line in Path(ci["NOTES"]).read_text().splitlines() if line.startswith("begin")]


def test_every_target_runs_once_and_attacks_run_while_the_cluster_is_tested(ci: dict[str, str]) -> None:
    """Each would wait forever for the other, if it came first."""
    done = run({**ci, "WAITS": "attack-small"})
    assert done.returncode == 0, done.stderr
    ran = ["toolchain", "check", "test", "test-long", "attack-small", "bench-small", "test-cluster-small"]
    assert sorted(begun(ci)) == sorted(ran)
    assert begun(ci)[:4] == ran[:4]
    assert all(done.stdout.count(f"output of {name}\n") == 1 for name in ran)
    assert all(f"ci: {name:18}" in done.stdout for name in ran)
    assert done.stdout.endswith("ci: ok\n")


@pytest.mark.parametrize("target", ["attack-small", "test-cluster-small"])
def test_failure_of_either_side_fails_and_the_other_ends_first(ci: dict[str, str], target: str) -> None:
    done = run({**ci, "FAILS": target})
    assert done.returncode == 3
    assert "output of attack-small" in done.stdout
    assert "output of test-cluster-small" in done.stdout
    assert f"ci: {target:18}" in done.stdout
    assert done.stdout.endswith("ci: failed\n")


def test_nothing_runs_after_a_failure(ci: dict[str, str]) -> None:
    assert run({**ci, "FAILS": "check"}).returncode == 3
    assert begun(ci) == ["toolchain", "check"]


def test_slow_proofs_run_one_after_the_other(ci: dict[str, str]) -> None:
    assert run(ci, "--all").returncode == 0
    assert begun(ci)[4:8] == ["attack-small", "bench-small", "test-exhaustive", "test-cluster"]
    assert begun(ci)[-1] == "chaos"


def interruptible() -> None:
    """Also where these tests run in the background, and so ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_both_sides(ci: dict[str, str], tmp_path: Path) -> None:
    env = {**ci, "HANGS": "attack-small"}
    command = [str(tmp_path / ".ci" / "run")]
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, start_new_session=True, preexec_fn=interruptible
    )
    pid = tmp_path / "notes.pid"
    while not (pid.exists() and pid.read_text().endswith("\n")):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    assert process.wait(50) != 0
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
