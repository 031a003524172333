"""One of several replicas, seen from inside: it looks as the leader does, acts and tells only in its own term, and
forgets what another may have done with (O2, L6)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.fake import FakeLease
from stacks.executors.port import Recovery, RemoteOperation
from stacks.model import OperationVerb
from tests.worlds.world import World


@pytest.fixture
async def follower() -> AsyncIterator[World]:
    town = World(lease=FakeLease())
    yield town
    await town.close()


def lease(world: World) -> FakeLease:
    assert isinstance(world.lease, FakeLease)
    return world.lease


async def test_who_follows_looks_and_neither_acts_nor_tells(follower: World) -> None:
    number = follower.open_pull()
    await follower.run_for(minutes=5)
    assert follower.stacks.records == {}
    assert follower.comment(number) == ""
    assert len(follower.last_cycle.views) == 1, "it looks"
    assert follower.ledger.events() == []


async def test_who_begins_to_lead_acts_at_once(follower: World) -> None:
    number = follower.open_pull()
    await follower.run_for(minutes=5)
    lease(follower).set_leading(True)
    await follower.run_for(seconds=10)
    assert follower.phase(number) is Phase.READY
    assert "Ready" in follower.comment(number)
    assert EventKind.LEADER_CHANGED in {event.kind for event in follower.ledger.events()}


async def test_who_ceases_to_lead_starts_nothing_new(follower: World) -> None:
    lease(follower).set_leading(True)
    one = follower.open_pull()
    await follower.run_for(minutes=1)
    lease(follower).set_leading(False)
    said = follower.comment(one)
    other = follower.open_pull("another")
    follower.push(one)
    await follower.run_for(minutes=5)
    assert len(follower.stacks.records) == 1
    assert follower.comment(other) == ""
    assert follower.comment(one) == said


async def test_a_plan_of_an_earlier_term_is_not_carried_out(follower: World) -> None:
    """Another led while this one looked: what it saw may be old."""
    lease(follower).set_leading(True)
    follower.open_pull()

    def lose_and_regain() -> None:
        lease(follower).on_confirm = lambda: None
        lease(follower).set_leading(False)
        lease(follower).set_leading(True)

    lease(follower).on_confirm = lose_and_regain
    await follower.run_cycle()
    assert follower.stacks.records == {}
    await follower.run_for(minutes=1)
    assert len(follower.stacks.records) == 1


async def test_what_was_asked_for_in_an_earlier_term_is_forgotten(follower: World) -> None:
    lease(follower).set_leading(True)
    number = follower.open_pull()
    await follower.run_for(minutes=1)
    follower.facts.intents.add(Intent(follower.ref(number), IntentKind.DOWN, "ada", follower.now))
    lease(follower).set_leading(False)
    lease(follower).set_leading(True)
    await follower.run_for(minutes=5)
    assert follower.phase(number) is Phase.READY


async def test_a_stack_on_which_an_earlier_leader_still_works_is_left_alone(follower: World) -> None:
    lease(follower).set_leading(True)
    number = follower.open_pull()
    left = RemoteOperation(follower.ref(number), OperationVerb.UP, "c" * 40, follower.now, "process 7 on one")
    follower.stacks.remote = Recovery((), (left,))
    await follower.run_cycle()
    await follower.run_cycle()
    assert follower.stacks.records == {}
    [view] = follower.last_cycle.views
    assert view.progress == "started by another replica: process 7 on one"
    follower.stacks.remote = Recovery()
    await follower.run_for(minutes=1)
    assert follower.phase(number) is Phase.READY
