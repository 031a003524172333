from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stacks.toolchain.pulumi_cli import Toolchain
from tests.worlds.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


@pytest.fixture
def tools() -> Toolchain:
    """For starts that never come as far as Pulumi."""
    return Toolchain(Path("/bin/false"), "3.259.0", "", "nowhere")
