"""A comment that was true once is made true after a kill too (P1, L2). Found by ``make chaos``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.app.owed import Owed
from orchestrator.app.shows import Herald
from orchestrator.core.phases import Phase
from orchestrator.forge.port import Conclusion, ForgeRefused, NotThere
from orchestrator.surfaces.reporter import Reporter
from stacks.model import Operation, StackRef, Verb
from tests.stories.town import BAD_YAML, Town


def remembering(town: Town, path: Path) -> None:
    """From now on this life writes down whom it told, as ephd does."""
    town.herald = Herald(Reporter(town.forge, town.clock), town.journal, Owed(path))
    town.loop.audience = (town.herald.show,)
    town.herald.why = town.executor.why
    town.stacks.emptied = town.herald.destroyed


async def test_one_that_went_while_ephd_was_dead_gets_its_last_word(town: Town, tmp_path: Path) -> None:
    remembering(town, tmp_path / "owed.json")
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    assert "Not made" in town.comment(number)
    await town.kill()
    town.forge.close_pull(town.shop, number)
    remembering(town, tmp_path / "owed.json")
    await town.live(minutes=1)
    assert "Not wanted any more" in town.comment(number)


async def test_a_check_that_was_left_in_progress_on_an_older_commit_is_ended(town: Town, tmp_path: Path) -> None:
    """P2, pitfall 9: killed while it made one commit; when it is back, another one is wanted."""
    remembering(town, tmp_path / "owed.json")
    number = town.open()
    town.hold(number)
    await town.live(minutes=1)
    older = town.head(number)
    await town.kill()
    town.push(number)
    remembering(town, tmp_path / "owed.json")
    await town.live(minutes=2)
    assert town.forge.reports(town.shop, older)["eph/preview"].conclusion is Conclusion.NEUTRAL
    assert town.forge.reports(town.shop, town.head(number))["eph/preview"].conclusion is Conclusion.SUCCESS


async def test_one_that_is_still_wanted_gets_none(town: Town, tmp_path: Path) -> None:
    remembering(town, tmp_path / "owed.json")
    number = town.open()
    await town.live(minutes=1)
    await town.kill()
    remembering(town, tmp_path / "owed.json")
    await town.live(minutes=1)
    assert "Ready" in town.comment(number)
    assert town.comment(number).count("Not wanted") == 0


async def test_one_that_went_while_its_repository_could_not_be_read_is_told_later(town: Town) -> None:
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    town.forge.cut_next(town.shop, 0)
    await town.cycle()
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=1)
    assert "Not wanted any more" in town.comment(number)


async def test_what_left_without_a_destroy_leaves_no_logs(town: Town) -> None:
    forgotten: list[StackRef] = []
    town.herald.forget = forgotten.append
    number, other = town.open(files={"text": "x", "eph.yaml": BAD_YAML}), town.open()
    await town.live(minutes=1)
    town.forge.close_pull(town.shop, number)
    town.forge.close_pull(town.shop, other)
    await town.live(minutes=2)
    assert town.ref(number) in forgotten  # the other one, whose destroy said so, may be forgotten twice


async def test_a_renamed_repositorys_old_stack_that_never_was_leaves_no_logs_and_no_last_word(town: Town) -> None:
    forgotten: list[StackRef] = []
    town.herald.forget = forgotten.append
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    old = town.ref(number)
    view = town.view(number)
    assert view is not None
    moved = StackRef(old.project.replace("shop", "store"), old.stack)
    town.herald.show(replace(town.loop.shown, views=(replace(view, ref=moved),)))
    await town.herald.report()
    assert forgotten == [old]
    assert "Not wanted" not in town.comment(number)


async def test_a_refusal_that_passes_does_not_keep_a_comment_untrue(town: Town) -> None:
    """One 404 of a Git host in trouble, just as the environment became ready."""
    number = town.open()
    town.forge.fail_next(NotThere("not found"), "upsert_comment")
    await town.live(minutes=1)
    assert "Ready" in town.comment(number)


async def test_a_last_word_that_was_refused_once_is_said_after_all(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(ForgeRefused("403 just now"), "upsert_comment", count=2)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=2)
    assert town.view(number) is None
    assert "Removed" in town.comment(number)


async def test_a_last_word_that_is_always_refused_is_given_up(town: Town) -> None:
    forgotten: list[StackRef] = []
    town.herald.forget = forgotten.append
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    town.forge.fail_next(ForgeRefused("the token may not write comments"), "upsert_comment", count=1000)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=5)
    assert forgotten == []
    await town.live(minutes=30)
    assert town.ref(number) in forgotten  # the other one, whose destroy said so, may be forgotten twice


async def test_what_was_seen_before_the_end_is_not_told_after_it(town: Town) -> None:
    """The Git host hangs just after the destroy, so that no new look replaces the last one."""
    number = town.open()
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    town.herald.show(replace(town.loop.shown, views=(replace(view, phase=Phase.DESTROYING),)))
    await town.herald.report()
    assert await town.herald.destroyed(Operation(view.ref, Verb.DESTROY, "local", view.name)) is True
    for _ in range(3):
        town.now += timedelta(seconds=10)
        await town.herald.report()
    assert "Removed" in town.comment(number)


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '[{"project": "x"}]', '[{"stack": {}}]'])
def test_a_file_that_is_spoilt_is_nobodys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "owed.json"
    path.write_text(text)
    assert Owed(path).recall() == {}
    assert Owed(tmp_path / "none.json").recall() == {}
