"""The benchmark itself: a row that crashes fails it, is shown as not measured, and leaves nothing behind.

Each case runs in a process of its own, because the benchmark ends everything below it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from programs.kit.processes import process_table
from tests.bench import results


def bench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "tmp").mkdir()
    (folder / "benchmarks.json").write_text("[]")
    command = [sys.executable, "-m", "tests.bench.crashing_rows", str(folder), *words]
    env = {**os.environ, "TMPDIR": str(folder / "tmp"), "EPH_TEST_KUBECONFIG": ""}
    return subprocess.run(command, cwd=results.ROOT, env=env, capture_output=True, text=True)


def nothing_left(folder: Path) -> bool:
    return not process_table.is_alive(int((folder / "pid").read_text())) and list((folder / "tmp").iterdir()) == []


@pytest.mark.long
def test_a_row_that_crashes_fails_the_run_and_is_shown_as_not_measured(tmp_path: Path) -> None:
    done = bench(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "bench crashes not measured: RuntimeError in crashing_rows.py:" in done.stdout
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| crashes | | not measured | | **not measured** |" in page
    assert "ephd / crashed`" in page
    [row] = [line for line in page.splitlines() if line.startswith("| works | ours")]
    assert f"| {results.version()} | 20" in row
    assert nothing_left(tmp_path)


@pytest.mark.long
def test_a_row_over_its_budget_fails_nothing(tmp_path: Path) -> None:
    done = bench(tmp_path, "works")
    assert (done.returncode, done.stderr) == (0, "")
    assert "budget 1.00 over" in done.stdout


@pytest.mark.long
def test_the_small_form_fails_with_a_row_that_crashes_and_writes_no_page(tmp_path: Path) -> None:
    done = bench(tmp_path, "--small")
    assert done.returncode == 1, done.stderr
    assert "bench-small: 1 rows failed: crashes" in done.stdout
    assert not (tmp_path / "benchmarks.md").exists()
    assert nothing_left(tmp_path)
