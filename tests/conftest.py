"""Shared by all tests: hypothesis judges correctness, never time; parallel runs begin with the files that take longest;
and a whole Eph in memory and virtual time."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Generator, Iterator
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.ledger.postgres_server import PostgresServer
    from tests.worlds.world import World

settings.register_profile("eph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eph")

UNIT_SECONDS, REAL_SECONDS = 6.0, 120.0
"""Of tests without a time limit of their own. Only the relation counts: what comes first in a parallel run."""


def pytest_configure(config: pytest.Config) -> None:
    """xdist would begin with the files that have the most tests: one that starts a whole Eph twice would come last, and
    the other workers would wait for it."""
    config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that is collected becomes garbage, and looking for it takes a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # after the markers have selected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begins with the files that may take longest, so that the workers end together. A file's own order stays."""
    if not hasattr(config, "workerinput"):
        return
    limits = dict.fromkeys((item.path for item in items), 0.0)
    for item in items:
        limits[item.path] += _time_limit(item)
    items.sort(key=lambda item: (-limits[item.path], item.path))


def _time_limit(item: pytest.Item) -> float:
    if not any(item.iter_markers("real")) and not any(item.iter_markers("long")):
        return UNIT_SECONDS
    own = item.get_closest_marker("timeout")
    return float(own.args[0]) if own and own.args else REAL_SECONDS


@pytest.fixture
async def world() -> AsyncIterator[World]:
    from tests.worlds.world import World  # most tests need none of it

    made = World()
    yield made
    await made.close()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """One for each process of a run. Each test creates its own database there."""
    from tests.ledger import postgres_server

    with postgres_server.running_server() as made:
        yield made


@pytest.fixture(scope="session")
def shared_authorities() -> Iterator[None]:
    """The certificate authorities, read once. Each client of httpx would read them, which takes ten times as long as
    everything else of creating it."""
    from httpx import create_ssl_context

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(create_ssl_context))
        yield
