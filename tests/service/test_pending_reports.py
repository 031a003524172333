"""A comment that was true once is made true after a kill too (P1, L2). Found by ``make chaos``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Conclusion, ForgeNotFound, ForgeRefused
from orchestrator.service.reports.pending_reports import PendingReports
from stacks.model import Operation, OperationVerb, StackRef
from tests.worlds.eph_files import BAD_YAML
from tests.worlds.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Its pending reports are a file, as ephd's are."""
    made = World(folder=tmp_path)
    yield made
    await made.close()


async def test_environment_removed_during_downtime_is_reported(world: World) -> None:
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    assert "Not created" in world.comment(number)
    await world.crash()
    world.close_pull(number)
    await world.run_for(minutes=1)
    assert "No longer needed" in world.comment(number)


async def test_a_check_in_progress_on_an_older_commit_is_completed(world: World) -> None:
    """P2, pitfall 9: killed while it made one commit; when it is back, another one is wanted."""
    number = world.open_pull()
    world.hold(number)
    await world.run_for(minutes=1)
    older = world.head(number)
    await world.crash()
    world.push(number)
    await world.run_for(minutes=2)
    assert world.forge.reports(world.shop, older)["eph/preview"].conclusion is Conclusion.NEUTRAL
    assert world.forge.reports(world.shop, world.head(number))["eph/preview"].conclusion is Conclusion.SUCCESS


async def test_desired_environment_gets_no_final_report(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    await world.crash()
    await world.run_for(minutes=1)
    assert "Ready" in world.comment(number)
    assert world.comment(number).count("Not wanted") == 0


async def test_a_final_report_waits_until_the_repository_is_readable(world: World) -> None:
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    world.forge.truncate_next_pulls(world.shop, 0)
    await world.run_cycle()
    world.close_pull(number)
    await world.run_for(minutes=1)
    assert "No longer needed" in world.comment(number)


async def test_an_environment_that_leaves_without_a_destroy_leaves_no_logs(world: World) -> None:
    number, other = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML}), world.open_pull()
    await world.run_for(minutes=1)
    world.close_pull(number)
    world.close_pull(other)
    await world.run_for(minutes=2)
    assert world.ref(number) in world.stacks.forgotten  # the other one, whose destroy said so, may be forgotten twice


async def test_a_renamed_repositorys_old_stack_leaves_no_logs_and_no_final_report(world: World) -> None:
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    old = world.ref(number)
    view = world.view(number)
    assert view is not None
    moved = StackRef(old.project.replace("shop", "store"), old.stack)
    world.notifier.on_cycle(replace(world.last_cycle, views=(replace(view, ref=moved),)))
    await world.notifier.report()
    assert world.stacks.forgotten == [old]
    assert "Not wanted" not in world.comment(number)


async def test_a_refusal_that_ends_doesnt_leave_an_outdated_comment(world: World) -> None:
    """One 404 of a Git host in trouble, just as the environment became ready."""
    number = world.open_pull()
    world.forge.fail_next(ForgeNotFound("not found"), "upsert_comment")
    await world.run_for(minutes=1)
    assert "Ready" in world.comment(number)


async def test_a_final_report_that_was_rejected_once_is_retried(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeRefused("403 just now"), "upsert_comment", count=2)
    world.close_pull(number)
    await world.run_for(minutes=2)
    assert world.view(number) is None
    assert "Destroyed" in world.comment(number)


async def test_a_final_report_that_is_always_rejected_is_abandoned(world: World) -> None:
    number = world.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeRefused("the token may not write comments"), "upsert_comment", count=1000)
    world.close_pull(number)
    await world.run_for(minutes=5)
    assert world.stacks.forgotten == []
    await world.run_for(minutes=30)
    assert world.ref(number) in world.stacks.forgotten  # the other one, whose destroy said so, may be forgotten twice


async def test_an_outdated_view_isnt_reported_after_the_final_report(world: World) -> None:
    """The Git host hangs just after the destroy, so that no new look replaces the last one."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    view = world.view(number)
    assert view is not None
    world.notifier.on_cycle(replace(world.last_cycle, views=(replace(view, phase=Phase.DESTROYING),)))
    await world.notifier.report()
    assert (
        await world.notifier.report_destroyed(
            Operation(view.ref, OperationVerb.DESTROY, "local", view.name), "it is merged"
        )
        is True
    )
    for _ in range(3):
        world.now += timedelta(seconds=10)
        await world.notifier.report()
    assert "Destroyed" in world.comment(number)


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '[{"project": "x"}]', '[{"stack": {}}]'])
def test_corrupt_report_file_is_ignored(tmp_path: Path, text: str) -> None:
    path = tmp_path / "owed.json"
    path.write_text(text)
    assert PendingReports(path).load() == {}
    assert PendingReports(tmp_path / "none.json").load() == {}
