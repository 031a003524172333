"""What processes use, measured on real ones. Row: P6 (CPU and memory of an environment)."""

from __future__ import annotations

import subprocess
import sys

from programs.kit.processes import usage

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
child.kill()
"""
CHILD = """
import sys, time
held = bytearray(40 * 2**20)
for place in range(0, len(held), 4096):
    held[place] = 1
while time.process_time() < 0.2:
    pass
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_process_counts_with_everything_below_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        used = usage.of_tree(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    assert used is not None
    assert used.cpu_seconds >= 0.2
    assert 40 * 2**20 < used.memory < 400 * 2**20
    assert usage.of_tree(process.pid) is None
