"""A worker's warm provider prints its port whatever Python's environment is (L2)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ASK = """
import select
from stacks.operations import dynamic_provider
found = dynamic_provider.start()
said = select.select([found.stdout], [], [], 30)[0]
print(found.stdout.readline().decode().strip() if said else "nothing")
found.kill()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.long
def test_port_is_printed_with_and_without_pythons_own_buffer(unbuffered: str) -> None:
    """Many machines set PYTHONUNBUFFERED, and a pod doesn't: a worker that waited for the port waited forever."""
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", ASK], env=env, cwd=root, capture_output=True, text=True, timeout=90)
    assert done.stdout.strip().isdigit(), done.stdout + done.stderr
