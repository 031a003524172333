"""A wake that says what changed makes just that be read early; everything is still read in each interval (L1, L4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.forges.port import ForgeUnavailable, PullList, Repository
from stacks import keys
from tests.worlds.world import INTERVAL, World, eph_yaml


class ReadRecorder:
    """Which repositories' pull requests were read."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        read = world.forge.pulls

        def counted(repository: Repository) -> PullList:
            self.names.append(repository.full_name)
            return read(repository)

        monkeypatch.setattr(world.forge, "pulls", counted)

    def take(self) -> list[str]:
        taken, self.names = sorted(self.names), []
        return taken


async def test_only_what_changed_is_read_early(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pay = world.forge.create_repository("acme/pay", eph_yaml())
    asked = ReadRecorder(world, monkeypatch)
    await world.cycle()
    assert asked.take() == ["acme/pay", "acme/shop"]
    number = world.open()
    await world.loop.cycle(True, frozenset({keys.pull_request(world.shop.id, number)}))
    assert asked.take() == ["acme/shop"]
    assert world.view(number) is not None
    await world.loop.cycle(True, frozenset({pay.id, 4711}))
    assert asked.take() == ["acme/pay"]
    assert world.view(number) is not None
    await world.settle()


async def test_a_storm_about_one_does_not_starve_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.forge.create_repository("acme/pay", eph_yaml())
    asked = ReadRecorder(world, monkeypatch)
    await world.cycle()
    for _ in range(10):
        world.now += timedelta(seconds=4)
        await world.loop.cycle(True, frozenset({world.shop.id}))
    assert asked.take().count("acme/pay") == 1 + 40 // INTERVAL.total_seconds()
    await world.settle()


async def test_an_early_look_heals_nothing_that_it_did_not_read(world: World) -> None:
    """Pitfall 3: the listing failed; what a webhook then makes us read says nothing of the other repositories."""
    pay = world.forge.create_repository("acme/pay", eph_yaml())
    await world.cycle()
    world.now += INTERVAL
    world.forge.fail_next(ForgeUnavailable("down"), "repositories")
    await world.cycle()
    await world.loop.cycle(True, frozenset({world.shop.id}))
    facts = world.last_cycle.forge.facts
    assert (facts[world.shop.id].complete, facts[pay.id].complete) == (True, False)
    await world.settle()
