from __future__ import annotations

from pathlib import Path

import pytest

from stacks.toolchain.pulumi_cli import Toolchain


@pytest.fixture
def tools() -> Toolchain:
    """For starts that never reach Pulumi."""
    return Toolchain(Path("/bin/false"), "3.259.0", "", "nowhere")
