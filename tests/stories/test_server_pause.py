"""A paused server starts nothing, says so everywhere, and stays paused through kills. O4, L2, P5."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.planning.plan_actions import Destroy, Hold, Wait, WaitingFor
from orchestrator.core.planning.plans import Plan
from orchestrator.core.planning.reason_codes import HoldCode, UnwantedCode
from orchestrator.core.suites.suite_results import SuiteRun
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Reaction
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.service.port import PauseStatus, RefusalReason, RequestRefused, TemporarilyUnavailable
from orchestrator.service.reports.notifier import GatewayStatesFile
from stacks.model import OperationVerb
from tests.worlds.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Its pause is a file, as ephd's is."""
    made = World(Policy(sleep_capable_targets=frozenset({"local"})), folder=tmp_path)
    yield made
    await made.close()


def pause(world: World, reason: str = "") -> PauseStatus:
    return world.system.service.pause(reason, "ana")


def status(world: World) -> PauseStatus:
    found = world.system.service.status().pause
    assert found is not None
    return found


async def test_nothing_starts_until_the_server_is_resumed(world: World) -> None:
    ready, closed, pushed = (world.open_pull(title) for title in ("ready", "closed", "pushed"))
    await world.run_for(minutes=1)
    started = len(world.stacks.started)
    before = {number: world.comment(number) for number in (ready, closed, pushed)}
    pause(world, "maintenance")
    new = world.open_pull("new")
    world.close_pull(closed)
    world.push(pushed)
    await world.run_for(minutes=10)
    assert len(world.stacks.started) == started
    assert [world.phase(each) for each in (ready, closed, pushed, new)] == [
        Phase.READY, Phase.HELD, Phase.WAITING, Phase.WAITING,
    ]  # fmt: skip
    assert {number: world.comment(number) for number in (ready, closed, pushed)} == before
    assert not world.comment(new)
    world.system.service.resume("bob")
    await world.run_for(minutes=3)
    assert world.phase(new) is Phase.READY
    assert world.running_commit(pushed) == world.head(pushed)
    assert world.stack(closed) is None
    assert "Destroyed" in world.comment(closed)


async def test_the_plan_and_the_status_say_who_paused_it(world: World) -> None:
    created, closed = world.open_pull("created"), world.open_pull("closed")
    await world.run_for(minutes=1)
    paused = pause(world, " maintenance\n")
    assert (paused.by, paused.at, paused.reason) == ("ana", world.now, "maintenance")
    new = world.open_pull("new")
    world.close_pull(closed)
    await world.run_for(minutes=1)
    plan = world.last_cycle.plan
    assert plan is not None
    assert not plan.changes
    actions = {action.ref: action for action in plan.actions if isinstance(action, Hold | Wait)}
    waiting, held = actions[world.ref(new)], actions[world.ref(closed)]
    assert isinstance(waiting, Wait)
    assert waiting.waiting_for is WaitingFor.PAUSE
    assert isinstance(held, Hold)
    assert (held.code, held.command) == (HoldCode.PAUSED, "eph server resume")
    view = world.view(new)
    assert view is not None
    assert view.is_paused
    assert "ana" in view.reasons[0]
    unaffected = world.view(created)
    assert unaffected is not None
    assert not unaffected.is_paused
    assert world.system.service.status().notes[0] == paused.message
    assert plan.render().startswith(paused.message)
    assert world.event_messages(EventKind.SERVER_PAUSED)


@pytest.mark.parametrize("kills", [1, 2])
async def test_a_paused_server_stays_paused_after_a_kill(world: World, kills: int) -> None:
    first = world.open_pull("first")
    world.hold(first)
    await world.run_for(seconds=2)
    pause(world)
    for _ in range(kills):
        await world.crash()
        await world.run_for(minutes=2)
    assert status(world).by == "ana"
    assert [each.verb for each in world.stacks.started] == [OperationVerb.UP]
    world.system.service.resume("bob")
    await world.run_for(minutes=2)
    assert world.phase(first) is Phase.READY


async def test_a_drain_waits_for_operations_and_tests(world: World) -> None:
    number = world.open_pull()
    world.hold(number)
    await world.run_for(seconds=2)
    first = pause(world)
    assert (first.remaining, first.drained) == (1, False)
    await world.run_for(seconds=1)
    assert not status(world).drained
    suite = SuiteRun(world.ref(number), world.head(number), "browser")
    world.facts.suites.running[suite] = world.now
    world.release(world.ref(number))
    await world.run_for(seconds=1)
    assert (status(world).remaining, status(world).drained) == (1, False)
    del world.facts.suites.running[suite]
    assert (status(world).remaining, status(world).drained) == (0, True)
    assert world.phase(number) is Phase.READY


async def test_an_idle_server_is_drained_only_after_a_cycle_that_saw_the_pause(world: World) -> None:
    """The cycle that is running now may have been planned without it."""
    await world.run_for(seconds=1)
    assert not pause(world).drained
    await world.run_cycle()
    assert status(world).drained


async def test_a_plan_from_before_the_pause_is_not_executed(world: World) -> None:
    """The loop was planning when the pause began."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    view = world.view(number)
    assert view is not None
    destroy = Destroy(view.ref, view.name, view.target, "closed", UnwantedCode.CLOSED)
    older = Plan((destroy,), world.now)
    pause(world)
    world.executor.execute(older, world.last_cycle.forge.repositories)
    assert world.executor.running == {}
    world.pause_file.clear()
    world.executor.execute(older, world.last_cycle.forge.repositories)
    assert set(world.executor.running) == {view.ref}
    await world.wait_until_idle()


async def test_requests_are_refused_and_nothing_of_them_is_left(world: World) -> None:
    """A request waits in memory, so a restart during the pause would lose it."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    pause(world)
    service, name = world.system.service, str(world.ref(number))
    requests = (
        lambda: service.up(name, "ada"),
        lambda: service.down(name, "ada"),
        lambda: service.extend(name, 3600, "ada"),
        lambda: service.keep(name, True, "ada"),
        lambda: service.sleep(name, "ada"),
        lambda: service.wake_up(name, "ada"),
        lambda: service.restart(name, "", "ada"),
        lambda: service.reset_database(name, "", "ada"),
        lambda: service.approve_commit(name, world.head(number), "ada"),
        lambda: service.approve_plan("abcdef", "ada"),
        lambda: service.sweep(False, "ada"),
        lambda: world.deploy("demo", "main"),
    )
    for request in requests:
        with pytest.raises(RequestRefused) as refused:
            await request()
        assert refused.value.reason is RefusalReason.PAUSED
    assert world.facts.intents.all() == ()
    assert "preview" in world.forge.pull(world.shop, number).labels


async def test_a_second_pause_keeps_the_first(world: World) -> None:
    first = pause(world, "maintenance")
    await world.run_for(minutes=5)
    second = world.system.service.pause("disk", "bob")
    assert (second.by, second.at, second.reason) == (first.by, first.at, first.reason)
    assert world.system.service.resume("bob")
    assert not world.system.service.resume("bob")
    assert len(world.event_messages(EventKind.SERVER_RESUMED)) == 1


async def test_a_file_that_cannot_be_read_counts_as_a_pause(world: World, tmp_path: Path) -> None:
    (tmp_path / "paused.json").write_text("{")
    number = world.open_pull()
    await world.run_for(minutes=1)
    assert (status(world).by, status(world).at) == ("", None)
    assert world.stack(number) is None
    assert pause(world).by == "ana"
    world.system.service.resume("ana")
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_a_pause_that_cannot_be_written_is_an_error(world: World, tmp_path: Path) -> None:
    (tmp_path / "paused.json").mkdir()
    with pytest.raises(TemporarilyUnavailable):
        pause(world)
    assert world.event_messages(EventKind.SERVER_PAUSED) == []


def _paused_states(folder: Path) -> list[object]:
    """What the gateway's pages know."""
    states = json.loads((folder / "states.json").read_text())["hosts"]
    return [state.get("paused", False) for state in states.values()]


async def test_an_environment_that_sleeps_keeps_sleeping(world: World, tmp_path: Path) -> None:
    world.listeners.append(GatewayStatesFile(tmp_path).on_cycle)
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.request_action("sleep", number)
    await world.run_for(minutes=1)
    pause(world)
    world.request_action("wake", number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.ASLEEP
    assert _paused_states(tmp_path) == [True]
    world.system.service.resume("bob")
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    assert _paused_states(tmp_path) == [False]


async def test_a_chat_command_gets_a_reply_that_names_the_pause() -> None:
    """P8: silence would look like a broken Eph."""
    world = World(chat=True)
    number = world.open_pull()
    await world.run_for(minutes=1)
    pause(world)
    comment = world.forge.add_comment(world.shop, number, "/eph extend 24h", world.host_clock(), "ada")
    await world.run_for(minutes=1)
    assert Reaction.CONFUSED in world.forge.reactions(world.shop, comment)
    assert "paused by ana" in world.comment(number)
    assert world.facts.intents.all() == ()
    await world.close()
