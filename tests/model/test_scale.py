"""Many at once, and for long: the queue stays in order, and nothing grows (L6, L2).

The real loop, executor, readiness, journal and reporter in virtual time (tests/model), with the event log in SQLite.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.views.phases import Phase
from tests.worlds.model import model_world
from tests.worlds.model.model_world import ModelWorld

PULLS = 200


@pytest.fixture(autouse=True)
def no_logging() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.exhaustive
def test_two_hundred_labelled_at_once_are_processed_in_order_and_see_their_position() -> None:
    """L6: first come, first served; each one that waits sees its position in the view and in its comment, and moves
    up."""
    policy = Policy(max_environments=PULLS, max_per_repository=PULLS, max_concurrent=4)
    with model_world.running_world(policy) as town:
        for _ in range(PULLS):
            town.open_pull(town.repositories[0])
        town.send_webhook()
        town.run_for(3)
        _check_positions_shown(town)
        waited = _queue_positions(town)
        while waited:
            town.run_for(30)
            now = _queue_positions(town)
            assert all(now[number] < waited[number] for number in now), "everybody moves up"
            assert [number for number in sorted(waited, key=waited.__getitem__) if number in now] == sorted(
                now, key=now.__getitem__
            ), "nobody overtakes"
            waited = now
        town.run_for(60)
        assert [view.phase for view in town.last_cycle().views] == [Phase.READY] * PULLS
        assert len(town.machine.built_commits) == PULLS
        assert town.problems_so_far() == []


def _queue_positions(world: ModelWorld) -> dict[int, int]:
    return {
        view.key.number: view.queue_position
        for view in world.last_cycle().views
        if view.key is not None and view.queue_position is not None
    }


def _check_positions_shown(world: ModelWorld) -> None:
    places = _queue_positions(world)
    assert sorted(places.values()) == list(range(1, len(places) + 1))
    assert len(places) >= PULLS - 8
    for number, place in places.items():
        [body] = world.forge.comments(world.repositories[0], number)
        found = re.search(r"Position \*\*(\d+)\*\* in the queue", body)
        assert found is not None
        assert int(found[1]) - place in range(5), "paced: at most one round of operations behind"


@pytest.mark.long
def test_soak_does_not_grow() -> None:
    """L2: pull requests come and go, builds fail, ephd is killed now and then; afterwards, all is as it was before.

    In a process of its own, whose memory and files no other test uses."""
    command = [sys.executable, "-m", "tests.model.soak", "--cycles", "400"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
