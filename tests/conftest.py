"""Shared by all tests: hypothesis judges correctness, never time; and a whole Eph in memory and virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.worlds.world import World

settings.register_profile("eph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eph")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    from tests.worlds.world import World  # most tests need none of it

    made = World()
    yield made
    await made.close()
