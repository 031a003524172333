"""What happens between a person's request to sleep and the moment when nothing runs. L5, P4."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.suites.suite_results import SuiteRun
from orchestrator.core.views.phases import Phase
from tests.worlds.world import World


@pytest.fixture
async def sleepy_world() -> AsyncIterator[World]:
    world = World(Policy(sleep_capable_targets=frozenset({"local"})))
    yield world
    await world.close()


async def test_sleep_begins_after_the_environments_tests_have_stopped(sleepy_world: World) -> None:
    """The phase is asleep at once, which stops the tests. Their requests would wake an environment that sleeps."""
    world = sleepy_world
    number = world.open_pull()
    await world.run_for(minutes=1)
    tests = SuiteRun(world.ref(number), world.head(number), "browser")
    world.facts.suites.running[tests] = world.now
    world.request_action("sleep", number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.ASLEEP
    assert not _sleeps(world, number)
    del world.facts.suites.running[tests]
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.ASLEEP
    assert _sleeps(world, number)


def _sleeps(world: World, number: int) -> bool:
    record = world.stack(number)
    return record is not None and record.tag is not None and record.tag.asleep is not None
