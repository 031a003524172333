"""What the gateway's pages and pull requests are told after each cycle: P1, P3, L4."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from orchestrator.app.shows import States
from orchestrator.core.phases import Phase
from orchestrator.forge.port import ForgeRefused, ForgeUnavailable
from orchestrator.runtime.loop import Shown
from stacks.model import Operation, Verb
from tests.stories.town import BAD_YAML, Town


async def test_the_pages_know_every_host_and_why(town: Town, tmp_path: Path) -> None:
    town.loop.audience = (*town.loop.audience, States(tmp_path / "gateway").show)
    number = town.open()
    town.stacks.fail(town.ref(number), "exit code 2", times=9)
    await town.live(seconds=5)
    view = town.view(number)
    assert view is not None
    state = json.loads((tmp_path / "gateway" / "states.json").read_text())["hosts"][view.host]
    assert state["phase"] == "failed"
    assert "exit code 2" in state["message"]
    assert state["environment"] == view.name


async def test_what_did_not_change_is_not_written_again(town: Town, tmp_path: Path) -> None:  # L4
    states, path = States(tmp_path), tmp_path / "states.json"
    town.open()
    await town.live(minutes=1)
    states.show(town.loop.shown)
    path.unlink()
    states.show(town.loop.shown)
    assert not path.exists()
    states.show(Shown())
    assert json.loads(path.read_text()) == {"hosts": {}}


async def test_of_a_whole_life_the_last_word_is_the_destroys_own(town: Town) -> None:  # P1
    number = town.open()
    await town.live(minutes=1)
    town.forge.merge(town.shop, number)
    await town.live(minutes=5)
    assert "is merged" in town.comment(number)
    assert "Not wanted" not in town.comment(number)


async def test_a_last_word_that_fails_is_said_later(town: Town) -> None:  # P1
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    town.forge.fail_next(ForgeUnavailable("503"), "upsert_comment", count=2)
    town.forge.unlabel(town.shop, number, "preview")
    await town.live(seconds=1)
    assert "Not wanted any more" not in town.comment(number)
    await town.live(minutes=5)
    assert "Not wanted any more" in town.comment(number)


async def test_a_reading_that_was_cut_is_nobodys_last_word(town: Town) -> None:  # P1, pitfall 3
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    before = town.comment(number)
    town.forge.cut_next(town.shop, 0)
    await town.cycle()
    assert town.view(number) is None
    assert town.comment(number) == before


async def test_who_cannot_be_told_is_asked_again_and_who_refuses_for_good_is_not_waited_for(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    operation = Operation(view.ref, Verb.DESTROY, "local", view.name)
    town.forge.fail_next(ForgeUnavailable("503"), "upsert_comment")
    assert await town.herald.destroyed(operation) is False
    town.now = town.now.replace(minute=town.now.minute + 5)
    assert await town.herald.destroyed(operation) is True
    assert "Removed" in town.comment(number)
    another = town.open("another")
    await town.live(minutes=1)
    town.forge.fail_next(ForgeRefused("the token may not write comments"), "upsert_comment", count=9)
    assert await town.herald.destroyed(Operation(town.ref(another), Verb.DESTROY, "local", "x")) is True


async def test_a_text_that_breaks_is_told_and_the_next_one_is_said(town: Town) -> None:  # P1
    number = town.open()
    await town.live(minutes=1)

    def broken(*_: object) -> list[str]:
        raise ZeroDivisionError("a fault of ours")

    town.herald._reporter.report = broken
    await town.herald.report()
    assert any("a fault of ours" in sentence for sentence in town.said("report.failed"))
    del town.herald._reporter.report
    town.push(number)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    assert town.head(number)[:7] in town.comment(number)


async def test_a_whole_life_in_deployments(town: Town) -> None:  # P2, pitfalls 2 and 9
    """Made, moved on by a push, found again by a life that remembers nothing, and gone with the environment."""
    number = town.open()
    await town.live(minutes=1)
    view, first = town.view(number), town.head(number)
    assert view is not None

    def states() -> dict[str, str]:
        there = town.forge.deployments(town.shop).get(view.name, {})
        return {sha: report.state.value for sha, report in there.items()}

    assert states() == {first: "success"}
    await town.kill()
    town.push(number)
    await town.live(minutes=1)
    assert states() == {first: "inactive", town.head(number): "success"}
    town.forge.merge(town.shop, number)
    await town.live(minutes=1)
    assert town.stack(number) is None
    assert town.forge.deployments(town.shop) == {}


async def test_deployments_that_cannot_be_retired_do_not_keep_an_environment(town: Town) -> None:  # P2, L7
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(ForgeUnavailable("502"), "retire_deployment", count=12)
    town.forge.merge(town.shop, number)
    await town.live(hours=1)
    assert town.stack(number) is None
    await town.live(hours=5)
    assert town.forge.deployments(town.shop) == {}


async def test_a_stack_that_lost_its_name_takes_its_deployments_with_it(town: Town) -> None:  # P2, L8
    """Found by ``make chaos``: half-made, its tag gone, its pull request closed, and it was "in progress" for ever."""
    number = town.open()
    ref = town.ref(number)
    town.stacks.fail(ref, "exit code 2")
    await town.live(seconds=5)
    assert town.forge.deployments(town.shop)
    town.stacks.records[ref] = replace(town.stacks.records[ref], tag=None)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=1)
    assert town.stack(number) is None
    assert town.forge.deployments(town.shop) == {}
