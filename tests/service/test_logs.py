"""Logs and steps of an environment through the API, read and followed: P1, P3, P5."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from programs.steps import StepEvent, StepEventKind, StepState
from tests.service.change_requests import ActionsSetup


async def test_logs_of_the_operation_are_followed_until_the_environment_is_gone(
    setup: ActionsSetup, monkeypatch: pytest.MonkeyPatch
) -> None:  # P5
    monkeypatch.setattr("orchestrator.service.output.log_reader.FOLLOW_INTERVAL", 0)
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.stacks.logs[town.ref(number)] = log = ["one", "two"]
    told: list[str] = []
    async for line in setup.actions.follow_operation(f"acme/shop#{number}"):
        told.append(line)
        if line == "two":
            log.append("three")
        if line == "three":
            town.close_pull(number)
            await town.run_for(minutes=1)
    assert told == ["one", "two", "three"]


async def test_everything_is_followed_in_one_stream_from_the_build_on(
    setup: ActionsSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5: build and services in one view, also of a push that comes later; a target that doesn't know the environment
    yet, or doesn't respond, hides nothing of its build."""
    monkeypatch.setattr("orchestrator.service.output.log_reader.FOLLOW_INTERVAL", 0)
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    name, events = f"acme/shop#{number}", town.stacks.step_events[town.ref(number)]
    first = events[0][0]
    events.insert(0, (first, StepEvent(StepEventKind.LINES, "Build", 1.0, ("compiling",))))
    told: list[str] = []
    async for line in setup.actions.follow(name, None):
        told.append(line)
        if len(told) == 2:
            events.append(("b" * 40, StepEvent(StepEventKind.LINES, "Build", 2.0, ("again",))))
        if line == "Build | again":
            town.close_pull(number)
            await town.run_for(minutes=1)
    assert (told[0], told[-1]) == ("Build | compiling", "Build | again")
    assert len(told) == 3


async def test_logs_since_a_time_leave_out_earlier_steps(setup: ActionsSetup) -> None:
    """P5; ``after`` reaches the target."""
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    name, events = f"acme/shop#{number}", town.stacks.step_events[town.ref(number)]
    newest = events[-1][0]
    events[:] = [
        (newest, StepEvent(StepEventKind.LINES, "Build", at, (text,))) for at, text in ((100.0, "old"), (200.0, "new"))
    ]
    assert await setup.actions.all_logs(name, 9) == ["Build | old", "Build | new"]
    assert await setup.actions.all_logs(name, 9, datetime.fromtimestamp(150, UTC)) == ["Build | new"]
    assert town.target.log_requests[-1].after == datetime.fromtimestamp(150, UTC)


async def test_following_since_a_time_begins_there(setup: ActionsSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5; ``after`` reaches the target."""
    monkeypatch.setattr("orchestrator.service.output.log_reader.FOLLOW_INTERVAL", 0)
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    name, events = f"acme/shop#{number}", town.stacks.step_events[town.ref(number)]
    newest, start = events[-1][0], datetime.fromtimestamp(150, UTC)
    events[:] = [
        (newest, StepEvent(StepEventKind.LINES, "Build", at, (text,))) for at, text in ((100.0, "old"), (200.0, "new"))
    ]
    town.target.printed = ["serving"]
    seen: list[str] = []
    async for line in setup.actions.follow(name, None, start):
        seen.append(line)
        if line == "serving":
            town.close_pull(number)
            await town.run_for(minutes=1)
    assert seen[:2] == ["Build | new", "serving"]
    assert "Build | old" not in seen
    assert town.target.log_requests[0].after == start


async def test_steps_of_each_commit_are_kept_through_failure_and_sleep(setup: ActionsSetup) -> None:
    """P1, P3: what a build printed is there after success, failure and sleep, by commit."""
    town = setup.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    name = f"acme/shop#{number}"
    good = await setup.actions.steps(name, "")
    assert [run.state for run in good.steps] == [StepState.SUCCEEDED]
    town.stacks.fail(town.ref(number), "the migration broke")
    town.push(number)
    await town.run_for(minutes=1)
    bad = await setup.actions.steps(name, "")
    assert [run.state for run in bad.steps][:1] == [StepState.FAILED]
    assert (bad.commits[-1], bad.commit) == (good.commit, bad.commits[0])
    await setup.actions.sleep(name, "ada")
    await town.run_for(minutes=1)
    assert (await setup.actions.steps(name, good.commit)).steps == good.steps
    assert await setup.actions.all_logs(name, 1) != []
    assert (await setup.actions.steps(name, "f" * 12)).steps == ()
