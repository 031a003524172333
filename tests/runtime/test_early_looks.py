"""A wake that says what changed makes just that be read early; everything is still read in each interval (L1, L4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.core.model import Key
from orchestrator.forge.port import ForgeUnavailable, Pulls, Repository
from tests.stories.town import INTERVAL, Town, yaml


class Asked:
    """Which repositories' pull requests were read."""

    def __init__(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        read = town.forge.pulls

        def counted(repository: Repository) -> Pulls:
            self.names.append(repository.full_name)
            return read(repository)

        monkeypatch.setattr(town.forge, "pulls", counted)

    def taken(self) -> list[str]:
        taken, self.names = sorted(self.names), []
        return taken


async def test_only_what_changed_is_read_early(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    pay = town.forge.create_repository("acme/pay", yaml())
    asked = Asked(town, monkeypatch)
    await town.cycle()
    assert asked.taken() == ["acme/pay", "acme/shop"]
    number = town.open()
    await town.loop.cycle(True, frozenset({Key(town.shop.id, number)}))
    assert asked.taken() == ["acme/shop"]
    assert town.view(number) is not None
    await town.loop.cycle(True, frozenset({pay.id, 4711}))
    assert asked.taken() == ["acme/pay"]
    assert town.view(number) is not None
    await town.settle()


async def test_a_storm_about_one_does_not_starve_the_others(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.forge.create_repository("acme/pay", yaml())
    asked = Asked(town, monkeypatch)
    await town.cycle()
    for _ in range(10):
        town.now += timedelta(seconds=4)
        await town.loop.cycle(True, frozenset({town.shop.id}))
    assert asked.taken().count("acme/pay") == 1 + 40 // INTERVAL.total_seconds()
    await town.settle()


async def test_an_early_look_heals_nothing_that_it_did_not_read(town: Town) -> None:
    """Pitfall 3: the listing failed; what a webhook then makes us read says nothing of the other repositories."""
    pay = town.forge.create_repository("acme/pay", yaml())
    await town.cycle()
    town.now += INTERVAL
    town.forge.fail_next(ForgeUnavailable("down"), "repositories")
    await town.cycle()
    await town.loop.cycle(True, frozenset({town.shop.id}))
    facts = town.loop.shown.forge.facts
    assert (facts[town.shop.id].complete, facts[pay.id].complete) == (True, False)
    await town.settle()
