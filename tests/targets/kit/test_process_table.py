"""What other processes do can't stop a search for processes. Rows: S3, L2."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit import trees
from programs.kit.processes import process_table

DEEP = "import os\nfor _ in range(60):\n os.mkdir('d' * 100)\n os.chdir('d' * 100)\nprint('deep', flush=True)\ninput()"


@pytest.fixture
def deep_process() -> Iterator[int]:
    """Its working folder has a path of 6,000 characters, which the kernel doesn't tell."""
    folder, pipe = tempfile.mkdtemp(prefix="eph-deep-"), subprocess.PIPE  # pytest couldn't remove it
    try:
        with subprocess.Popen([sys.executable, "-c", DEEP, "marker"], cwd=folder, stdin=pipe, stdout=pipe) as process:
            assert process.stdout
            assert process.stdout.readline() == b"deep\n"
            yield process.pid
            process.kill()
    finally:
        trees.remove_tree(Path(folder))


def test_a_working_folder_that_is_too_deep_hides_nothing_else(deep_process: int) -> None:
    with pytest.raises(OSError, match="too long"):
        Path(f"/proc/{deep_process}/cwd").readlink()
    assert process_table.mentions(deep_process, "marker")
    assert not process_table.mentions(deep_process, "another marker")
    assert deep_process in process_table.mentioning("marker")
