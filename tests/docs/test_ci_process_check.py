"""CI's helper: a step that leaves a process running fails, and the process is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CI_HELPER = Path(__file__).parents[2] / ".ci" / "alone.py"


def run_ci_helper(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CI_HELPER), *options, "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_exit_code_of_the_command_is_kept() -> None:
    assert [run_ci_helper("exit 3").returncode, run_ci_helper("true").returncode] == [3, 0]


def test_unrelated_looking_daemon_is_found_reported_and_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    done = run_ci_helper(
        f"setsid env -i sh -c 'echo $$ >{note}; exec sleep 61' >/dev/null 2>&1 & while ! [ -s {note} ]; do :; done"
    )
    assert done.returncode == 1
    assert f"left running: {note.read_text().strip()} sleep 61" in done.stderr
    assert not Path(f"/proc/{note.read_text().strip()}").exists()


def test_allowed_leftovers_are_killed_and_change_no_exit_code(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"setsid sleep 62 >/dev/null 2>&1 & echo $! >{note}; exit 3"
    assert run_ci_helper(script, "--allow-leftovers").returncode == 3
    assert not Path(f"/proc/{note.read_text().strip()}").exists()


def test_ended_orphan_is_reaped_while_the_command_still_runs(tmp_path: Path) -> None:
    """Otherwise it stays a zombie, and a test that waits for its end waits forever."""
    note = tmp_path / "pid"
    gone = f"kill -0 $(cat {note}) 2>/dev/null"
    loop = f"n=0; while {gone} && [ $n -lt 150 ]; do n=$((n+1)); sleep 0.01; done; ! {gone}"
    assert run_ci_helper(f"(true & echo $! >{note}); {loop}").returncode == 0
