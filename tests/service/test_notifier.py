"""What the gateway's pages and pull requests are told after each cycle: P1, P3, L4."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeRefused, ForgeUnavailable
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.reports.notifier import GatewayStatesFile
from stacks.model import Operation, OperationVerb
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world import World


async def test_the_states_file_explains_every_host(world: World, tmp_path: Path) -> None:
    world.listeners.append(GatewayStatesFile(tmp_path / "gateway").on_cycle)
    number = world.open_pull()
    world.stacks.fail(world.ref(number), "exit code 2", times=9)
    await world.run_for(seconds=5)
    view = world.view(number)
    assert view is not None
    state = json.loads((tmp_path / "gateway" / "states.json").read_text())["hosts"][view.host]
    assert state["phase"] == "failed"
    assert "exit code 2" in state["message"]
    assert state["environment"] == view.name


async def test_states_file_has_what_the_bar_shows_if_eph_yaml_asks_for_it(world: World, tmp_path: Path) -> None:
    """P13"""
    world.listeners.append(GatewayStatesFile(tmp_path / "gateway").on_cycle)
    plain = world.open_pull()
    number = world.open_pull(files={"eph.yaml": f"{EPH_YAML}environment: {{bar: true}}\n"})
    await world.run_for(minutes=1)
    hosts = json.loads((tmp_path / "gateway" / "states.json").read_text())["hosts"]
    view, other = world.view(number), world.view(plain)
    assert view is not None
    assert other is not None
    assert view.expires_at is not None
    assert hosts[view.host]["bar"] == {
        "commit": world.head(number),
        "expires_at": view.expires_at.timestamp(),
        "page_url": view.page_url,
        "pull_url": view.pull_url,
    }
    assert "bar" not in hosts[other.host]


async def test_unchanged_state_is_not_rewritten(world: World, tmp_path: Path) -> None:  # L4
    states, path = GatewayStatesFile(tmp_path), tmp_path / "states.json"
    world.open_pull()
    await world.run_for(minutes=1)
    states.on_cycle(world.last_cycle)
    before = path.stat()
    states.on_cycle(world.last_cycle)
    assert path.stat() == before
    states.on_cycle(CycleResult())
    assert json.loads(path.read_text()) == {"hosts": {}}


async def test_states_that_were_removed_or_replaced_are_written_again(tmp_path: Path) -> None:  # M5
    """Another replica that led meanwhile has written others."""
    states, path = GatewayStatesFile(tmp_path), tmp_path / "states.json"
    states.on_cycle(CycleResult())
    path.unlink()
    states.on_cycle(CycleResult())
    assert json.loads(path.read_text()) == {"hosts": {}}
    GatewayStatesFile(tmp_path).on_cycle(CycleResult())
    path.write_text('{"hosts": {"old.test": {}}}')
    states.on_cycle(CycleResult())
    assert json.loads(path.read_text()) == {"hosts": {}}


async def test_final_report_comes_from_the_destroy(world: World) -> None:  # P1
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.merge(number)
    await world.run_for(minutes=5)
    assert "is merged" in world.comment(number)
    assert "Not wanted" not in world.comment(number)


async def test_failed_final_report_is_retried(world: World) -> None:  # P1
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeUnavailable("503"), "upsert_comment", count=2)
    world.unlabel(number)
    await world.run_for(seconds=1)
    assert "No longer needed" not in world.comment(number)
    await world.run_for(minutes=5)
    assert "No longer needed" in world.comment(number)


async def test_incomplete_snapshot_sends_no_final_report(world: World) -> None:  # P1, pitfall 3
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    before = world.comment(number)
    world.forge.truncate_next_pulls(world.shop, 0)
    await world.run_cycle()
    assert world.view(number) is None
    assert world.comment(number) == before


async def test_a_failed_final_report_is_retried_until_it_is_rejected_for_good(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    view = world.view(number)
    assert view is not None
    operation = Operation(view.ref, OperationVerb.DESTROY, "local", view.name)
    world.forge.fail_next(ForgeUnavailable("503"), "upsert_comment")
    assert await world.notifier.report_destroyed(operation, "it is merged") is False
    world.now = world.now.replace(minute=world.now.minute + 5)
    assert await world.notifier.report_destroyed(operation, "it is merged") is True
    assert "Destroyed" in world.comment(number)
    another = world.open_pull("another")
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeRefused("the token may not write comments"), "upsert_comment", count=9)
    assert (
        await world.notifier.report_destroyed(
            Operation(world.ref(another), OperationVerb.DESTROY, "local", "x"), "it is merged"
        )
        is True
    )


async def test_a_report_that_crashes_is_recorded_and_the_next_one_works(world: World) -> None:  # P1
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.words_error = ZeroDivisionError("a fault of ours")
    await world.notifier.report()
    assert any("a fault of ours" in sentence for sentence in world.event_messages("report.failed"))
    world.forge.words_error = None
    world.push(number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    assert world.head(number)[:7] in world.comment(number)


async def test_deployments_follow_the_whole_lifecycle(world: World) -> None:  # P2, pitfalls 2 and 9
    """Made, moved on by a push, found again by a life that remembers nothing, and gone with the environment."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    view, first = world.view(number), world.head(number)
    assert view is not None

    def states() -> dict[str, str]:
        there = world.forge.deployments(world.shop).get(view.name, {})
        return {sha: report.state.value for sha, report in there.items()}

    assert states() == {first: "success"}
    await world.crash()
    world.push(number)
    await world.run_for(minutes=1)
    assert states() == {first: "inactive", world.head(number): "success"}
    world.merge(number)
    await world.run_for(minutes=1)
    assert world.stack(number) is None
    assert world.forge.deployments(world.shop) == {}


async def test_a_deployment_that_cant_be_retired_doesnt_block_a_destroy(world: World) -> None:  # P2, L7
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeUnavailable("502"), "retire_deployment", count=12)
    world.merge(number)
    await world.run_for(hours=1)
    assert world.stack(number) is None
    await world.run_for(hours=5)
    assert world.forge.deployments(world.shop) == {}


async def test_a_stack_without_its_tag_retires_its_deployments(world: World) -> None:  # P2, L8
    """Found by ``make chaos``: half-made, its tag gone, its pull request closed, and it was "in progress" for ever."""
    number = world.open_pull()
    ref = world.ref(number)
    world.stacks.fail(ref, "exit code 2")
    await world.run_for(seconds=5)
    assert world.forge.deployments(world.shop)
    world.stacks.records[ref] = replace(world.stacks.records[ref], tag=None)
    world.close_pull(number)
    await world.run_for(minutes=1)
    assert world.stack(number) is None
    assert world.forge.deployments(world.shop) == {}
