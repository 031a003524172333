"""Many at once, and for long: the queue in order, and nothing that grows (L6, L2).

The real loop, executor, readiness, journal and reporter in virtual time (tests/model), with the event log in SQLite.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.phases import Phase
from orchestrator.core.policy import Policy
from tests.model import soaks, world
from tests.model.world import World

NUMBER = 200


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_hundred_labelled_at_once_go_through_in_order_and_see_their_place() -> None:
    """L6: first come, first made; each that waits sees its place in the view and in its comment, and moves up."""
    policy = Policy(max_environments=NUMBER, max_per_repository=NUMBER, max_concurrent=4)
    with world.opened(policy) as town:
        for _ in range(NUMBER):
            town.open(town.repositories[0])
        town.hook()
        town.pass_(3)
        _places_are_shown(town)
        waited = _places(town)
        while waited:
            town.pass_(30)
            now = _places(town)
            assert all(now[number] < waited[number] for number in now), "everybody moves up"
            assert [number for number in sorted(waited, key=waited.__getitem__) if number in now] == sorted(
                now, key=now.__getitem__
            ), "nobody overtakes"
            waited = now
        town.pass_(60)
        assert [view.phase for view in town.shown().views] == [Phase.READY] * NUMBER
        assert len(town.machine.ran) == NUMBER
        assert town.found() == []


def _places(town: World) -> dict[int, int]:
    return {
        view.key.number: view.queue_position
        for view in town.shown().views
        if view.key is not None and view.queue_position is not None
    }


def _places_are_shown(town: World) -> None:
    places = _places(town)
    assert sorted(places.values()) == list(range(1, len(places) + 1))
    assert len(places) >= NUMBER - 8
    for number, place in places.items():
        [body] = town.forge.comments(town.repositories[0], number)
        found = re.search(r"Place \*\*(\d+)\*\* in the queue", body)
        assert found is not None
        assert int(found[1]) - place in range(5), "paced: at most one round of operations behind"


@pytest.mark.timeout(300)
def test_nothing_grows(tmp_path: Path) -> None:
    """L2: pull requests come and go, builds fail, ephd is killed now and then; after it, all is as it was before."""
    figures = soaks.soak(tmp_path, cycles=400)
    assert figures.cycles >= 400
    assert figures.problems == []
    assert figures.grown() == {}
