from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacks.toolchain.pulumi_cli import Toolchain
from tests.app.ephd_harness import EphdHarness


@pytest.fixture
def tools() -> Toolchain:
    """For starts that never reach Pulumi."""
    return Toolchain(Path("/bin/false"), "3.259.0", "", "nowhere")


@pytest.fixture
def ephd() -> Iterator[EphdHarness]:
    home = Path(tempfile.mkdtemp(prefix="eph-daemon-"))
    home.chmod(0o755)
    made = EphdHarness(home)
    try:
        made.prepare()
        yield made
    finally:
        made.close()
        shutil.rmtree(home, ignore_errors=True)
