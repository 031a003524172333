"""CI's own helper: a step that leaves a process running has failed, and the process is ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CI_HELPER = Path(__file__).parents[2] / ".ci" / "alone.py"


def run_ci_helper(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CI_HELPER), "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_commands_own_exit_code_is_kept() -> None:
    assert [run_ci_helper("exit 3").returncode, run_ci_helper("true").returncode] == [3, 0]


def test_a_daemon_without_a_trace_of_us_is_found_named_and_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    done = run_ci_helper(
        f"setsid env -i sh -c 'echo $$ >{note}; exec sleep 61' >/dev/null 2>&1 & while ! [ -s {note} ]; do :; done"
    )
    assert done.returncode == 1
    assert f"left running: {note.read_text().strip()} sleep 61" in done.stderr
    assert not Path(f"/proc/{note.read_text().strip()}").exists()
