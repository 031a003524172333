"""An app with a route of its own and a branch to deploy, without a pull request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World

APP = "app: {route: shop.localhost, branch: main}\n"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.branch("main", {"eph.yaml": EPH_YAML + APP})
    made.branch("feat")
    await made.run_for(seconds=0)
    yield made
    await made.close()
