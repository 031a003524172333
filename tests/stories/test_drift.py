"""What is lost behind our back is noticed, repaired and told. L2, L9, P1, O1."""

from __future__ import annotations

from orchestrator.core.phases import Phase
from tests.stories.town import EPH_YAML, Town

WITH_DATABASE = (
    EPH_YAML
    + """\
database:
  instances:
    - name: main
"""
)


async def test_a_part_that_is_lost_is_noticed_at_the_next_look_repaired_and_told(town: Town) -> None:  # L9, P1, O1
    number = town.open(files={"eph.yaml": WITH_DATABASE})
    await town.live(minutes=2)
    view = town.view(number)
    assert view is not None
    town.target.lose(f"Database:{view.name}/main")
    ups = len(town.ups(number))
    await town.live(seconds=31)
    assert len(town.ups(number)) == ups + 1, "its URL answers; the next look alone tells"
    assert town.said("environment.drifted") == ["the database main is gone"]
    assert town.said("environment.repaired") == ["the database main was gone; it was made again"]
    told = ": the database main was gone; it was made again"
    assert town.phase(number) is Phase.READY
    repaired = town.view(number)
    assert repaired is not None
    assert repaired.repaired.startswith("repaired at 2026-03-02 12:02:")
    assert repaired.repaired.endswith(told)
    assert repaired.repaired in repaired.reasons
    assert f"{told}." in town.comment(number)
    await town.live(minutes=10)
    assert len(town.ups(number)) == ups + 1, "it stands, so nothing more is done"
    town.push(number)
    await town.live(minutes=1)
    assert "epaired" not in town.comment(number), "that was another commit"


async def test_a_target_that_cannot_be_looked_at_has_lost_nothing(town: Town) -> None:  # L9
    number = town.open()
    await town.live(minutes=2)
    ups = len(town.ups(number))
    town.target.blind = True
    await town.live(minutes=5)
    assert len(town.ups(number)) == ups
    assert town.phase(number) is Phase.READY


async def test_a_repair_outlives_a_restart_in_what_is_told(town: Town) -> None:  # L2, L9
    number = town.open()
    await town.live(minutes=2)
    view = town.view(number)
    assert view is not None
    town.target.lose(f"Service:{view.name}/web")
    await town.live(minutes=1)
    await town.kill()
    town.memory.mended |= town.journal.mended()
    await town.live(minutes=1)
    assert "the service web did not run; it was started again" in town.comment(number)


async def test_a_new_commit_looks_at_what_is_there_when_something_is_lost(town: Town) -> None:  # L9
    """Else its migration would be told to run in a database that is gone."""
    number = town.open()
    await town.live(minutes=2)
    view = town.view(number)
    assert view is not None
    town.target.lose(f"Service:{view.name}/web")
    town.push(number)
    await town.live(minutes=1)
    assert town.stacks.started[-1].refresh
    assert town.phase(number) is Phase.READY
