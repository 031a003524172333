"""One whole Eph per test file, because starting it takes seconds, and a sandbox for demos, which start their own."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo import leak_check
from tests.e2e import site as sites
from tests.e2e.demo_sandbox import DemoSandbox
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site() as made:
        yield made


@pytest.fixture
def demo() -> Iterator[DemoSandbox]:
    folder = Path(tempfile.mkdtemp(prefix="eph-e2e-"))
    folder.chmod(0o755)
    try:
        yield DemoSandbox(folder)
    finally:
        for pid in leak_check.processes(str(folder)):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
