"""What is lost behind our back is noticed, repaired and told. L2, L9, P1, O1."""

from __future__ import annotations

from orchestrator.core.views.phases import Phase
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World

WITH_DATABASE = (
    EPH_YAML
    + """\
database:
  instances:
    - name: main
"""
)


async def test_a_part_that_is_lost_is_noticed_at_the_next_look_repaired_and_told(world: World) -> None:  # L9, P1, O1
    number = world.open_pull(files={"eph.yaml": WITH_DATABASE})
    await world.run_for(minutes=2)
    view = world.view(number)
    assert view is not None
    world.target.lose(f"Database:{view.name}/main")
    ups = len(world.built_commits(number))
    await world.run_for(seconds=31)
    assert len(world.built_commits(number)) == ups + 1, "its URL answers; the next look alone tells"
    assert world.event_messages("environment.drifted") == ["the database main is gone"]
    assert world.event_messages("environment.repaired") == ["the database main was gone; it was recreated"]
    told = ": the database main was gone; it was recreated"
    assert world.phase(number) is Phase.READY
    repaired = world.view(number)
    assert repaired is not None
    assert repaired.repaired.startswith("repaired at 2026-03-02 12:02:")
    assert repaired.repaired.endswith(told)
    assert repaired.repaired in repaired.reasons
    assert f"{told}." in world.comment(number)
    await world.run_for(minutes=10)
    assert len(world.built_commits(number)) == ups + 1, "it stands, so nothing more is done"
    world.push(number)
    await world.run_for(minutes=1)
    assert "epaired" not in world.comment(number), "that was another commit"


async def test_a_target_that_cannot_be_looked_at_has_lost_nothing(world: World) -> None:  # L9
    number = world.open_pull()
    await world.run_for(minutes=2)
    ups = len(world.built_commits(number))
    world.target.unreadable = True
    await world.run_for(minutes=5)
    assert len(world.built_commits(number)) == ups
    assert world.phase(number) is Phase.READY


async def test_a_repair_outlives_a_restart_in_what_is_told(world: World) -> None:  # L2, L9
    number = world.open_pull()
    await world.run_for(minutes=2)
    view = world.view(number)
    assert view is not None
    world.target.lose(f"Service:{view.name}/web")
    await world.run_for(minutes=1)
    await world.crash()
    await world.run_for(minutes=1)
    assert "the service web wasn't running; it was restarted" in world.comment(number)


async def test_a_new_commit_looks_at_what_is_there_when_something_is_lost(world: World) -> None:  # L9
    """Else its migration would be told to run in a database that is gone."""
    number = world.open_pull()
    await world.run_for(minutes=2)
    view = world.view(number)
    assert view is not None
    world.target.lose(f"Service:{view.name}/web")
    world.push(number)
    await world.run_for(minutes=1)
    assert world.stacks.started[-1].refresh
    assert world.phase(number) is Phase.READY
