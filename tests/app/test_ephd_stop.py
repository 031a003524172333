"""``ephd stop`` (O4): without ``--all`` only ephd ends; with it, nothing of this Eph runs any more, and all is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.demo import leak_check
from tests.app.ephd_harness import EphdHarness

pytestmark = [pytest.mark.real, pytest.mark.long]


def run_stop(ephd: EphdHarness, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.app", "stop", *words, "--config", str(ephd.home / "eph.toml")],
        env=ephd.variables(), capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_stop_ends_ephd_and_stop_all_everything_else(ephd: EphdHarness) -> None:
    life = ephd.start()
    ephd.wait_ready(life)
    stopped = run_stop(ephd)
    assert (stopped.returncode, life.wait(10)) == (0, 0), stopped.stderr
    assert ephd.gateway_answers()
    keys = files_of(ephd.home / "eph/keys")
    everything = run_stop(ephd, "--all")
    assert everything.returncode == 0, everything.stderr
    assert not leak_check.processes(str(ephd.home / "eph"))
    assert files_of(ephd.home / "eph/keys") == keys
    assert run_stop(ephd, "--all").returncode == 0, "it can be repeated"
    again = ephd.start()
    ephd.wait_ready(again)
    assert ephd.gateway_answers()
