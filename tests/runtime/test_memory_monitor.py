"""What operations take of the memory, and what is left of it (L6)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.runtime.observation.memory_monitor import (
    DEFAULT_PER_OPERATION,
    MEGABYTE,
    SAMPLES_KEPT,
    MemoryMonitor,
    memory_by_session,
)
from programs.kit import machine_memory

ON_MACHINE = 2_048_000


def test_the_most_that_one_came_to_is_what_the_next_is_expected_to_take() -> None:
    machine = MemoryMonitor(tuple, 1)
    assert machine.per_operation == DEFAULT_PER_OPERATION
    machine.record({7: 100 * MEGABYTE})
    machine.record({7: DEFAULT_PER_OPERATION + 50, 8: 1})
    assert machine.per_operation == DEFAULT_PER_OPERATION + 50, "also of one that is still under way"
    machine.record({8: 1})
    assert machine.per_operation == DEFAULT_PER_OPERATION + 50
    for session in range(SAMPLES_KEPT):
        machine.record({100 + session: 30})
    machine.record({1: 0})
    machine.record({})
    assert machine.per_operation == 30, "what was long ago is forgotten, and what nobody saw says nothing"


def test_who_is_told_to_spare_nothing_measures_nothing() -> None:
    assert MemoryMonitor(tuple, 0).headroom() is None


def test_what_just_began_has_used_nothing_yet() -> None:
    machine = MemoryMonitor(lambda: (7, 8), 5)
    machine.record({7: 40})
    found = machine.headroom()
    assert found is not None
    assert (found.used, found.reserve, found.per_operation) == ((40, 0), 5, DEFAULT_PER_OPERATION)


def test_a_session_is_measured_whole() -> None:
    """A parent and its child, 30 MB each."""
    child = "x = bytearray(30_000_000); print(1, flush=True); import sys; sys.stdin.read()"
    words = f"import subprocess, sys; y = bytearray(30_000_000); subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout
        parent.stdout.readline()
        found = memory_by_session([parent.pid, 1 << 30])
    assert 60 * MEGABYTE < found[parent.pid] < 120 * MEGABYTE
    assert found[1 << 30] == 0
    assert os.getpid() not in found


def memory_files(folder: Path, **files: str) -> Path:
    (folder / "memory").mkdir()
    for name, text in files.items():
        (folder / name.replace("__", "/").replace("_DOT_", ".")).write_text(text)
    return folder


STAT = "cache 5\ninactive_file 1000\ntotal_inactive_file 3000\n"


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, ON_MACHINE),
        ({"memory_DOT_max": "max\n", "memory_DOT_current": "5\n", "memory_DOT_stat": STAT}, ON_MACHINE),
        ({"memory_DOT_max": "1000000\n", "memory_DOT_current": "600000\n", "memory_DOT_stat": STAT}, 401_000),
        ({"memory_DOT_max": "1000\n", "memory_DOT_current": "600000\n", "memory_DOT_stat": ""}, 0),
        (
            {
                "memory__memory_DOT_limit_in_bytes": "900000\n",
                "memory__memory_DOT_usage_in_bytes": "800000\n",
                "memory__memory_DOT_stat": STAT,
            },
            103_000,
        ),
        (
            {
                "memory__memory_DOT_limit_in_bytes": "9223372036854771712\n",
                "memory__memory_DOT_usage_in_bytes": "800000\n",
                "memory__memory_DOT_stat": STAT,
            },
            ON_MACHINE,
        ),
    ],
)
def test_a_container_s_own_limit_counts_when_it_is_nearer(tmp_path: Path, files: dict[str, str], left: int) -> None:
    assert machine_memory.available(lambda: ON_MACHINE, memory_files(tmp_path, **files)) == left


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert machine_memory.available(lambda: None, tmp_path) is None
    assert machine_memory.available() is not None
