"""Changes that people request in an environment without a push: P5, P8, P11, S1."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from orchestrator.service.port import RefusalReason, RequestRefused
from tests.worlds.world import World


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[World]:
    found = World(folder=tmp_path)
    yield found
    await found.close()


@contextlib.contextmanager
def refused(reason: RefusalReason) -> Iterator[None]:
    with pytest.raises(RequestRefused) as raised:
        yield
    assert raised.value.reason is reason


async def test_restart_reaches_the_target_and_is_in_the_audit_trail(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    started = len(town.stacks.started)
    view = town.view(number)
    assert view is not None
    assert await town.system.service.restart(f"acme/shop#{number}", "", "ada") == ["web"]
    assert town.target.restarted == [(view.name, "")]
    [event] = [each for each in town.ledger.events(limit=99) if each.kind == "environment.restarted"]
    assert (event.actor, event.subject) == ("ada", str(view.ref))
    await town.run_for(minutes=1)
    assert len(town.stacks.started) == started, "a restart is no operation and causes none"


async def test_restart_is_refused_where_nothing_runs(town: World) -> None:
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    with refused(RefusalReason.RESTART_UNAVAILABLE):
        await town.system.service.restart(name, "worker", "ada")
    await town.system.service.sleep(name, "ada")
    await town.run_for(minutes=1)
    with refused(RefusalReason.RESTART_UNAVAILABLE):
        await town.system.service.restart(name, "", "ada")
    assert town.target.restarted == []


async def test_restart_waits_for_no_operation(town: World) -> None:
    """L6: never two changes at once."""
    number = town.open_pull()
    await town.run_for(minutes=1)
    view = town.view(number)
    assert view is not None
    with town.system.executor.reserve(view.target, view.name), refused(RefusalReason.RESTART_UNAVAILABLE):
        await town.system.service.restart(f"acme/shop#{number}", "", "ada")
    assert town.target.restarted == []
