"""What asks for an environment, and all that happens to a pull request meanwhile: L3, Y1, Y3, pitfalls 9 to 11."""

from __future__ import annotations

from orchestrator.core.model import CheckState
from orchestrator.core.phases import Phase
from orchestrator.forge.port import ForgeUnavailable
from tests.stories.town import EPH_YAML, Town

TRIGGER = "triggers:\n  - type: pr_label\n    labels: [preview]\n"


def triggered(more: str) -> dict[str, str]:
    return {"eph.yaml": EPH_YAML + TRIGGER + more}


def why(town: Town, number: int) -> str:
    view = town.view(number)
    assert view is not None
    return view.reasons[0]


# --- paths


async def test_a_change_of_nothing_that_counts_gets_no_environment_and_says_so(town: Town) -> None:
    number = town.open(files=triggered("    paths: [web/**]\n") | {"docs/page.md": "words"})
    await town.live(minutes=1)
    assert town.phase(number) is Phase.REFUSED
    assert town.stacks.started == []
    assert why(town, number) == "acme/shop#1 changes no file that its eph.yaml names (paths: web/**)"
    assert "changes no file" in town.comment(number)
    town.push(number, {"web/app.py": "1"})
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    town.forge.push(town.shop, town.forge.pull(town.shop, number).head_ref, {"web/app.py": None})
    await town.live(minutes=2)
    assert town.stack(number) is None


async def test_what_it_changes_is_asked_once_for_a_commit(town: Town) -> None:  # L4
    number = town.open(files=triggered("    paths: [eph.yaml]\n"))
    town.forge.fail_next(ForgeUnavailable("502"), "changed_files")
    await town.cycle()
    assert town.phase(number) is Phase.WAITING
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    town.forge.fail_next(ForgeUnavailable("it is asked again"), "changed_files")
    await town.live(hours=1)
    assert town.phase(number) is Phase.READY
    town.push(number)  # takes the failure, and leaves what is there alone
    await town.live(seconds=1)
    assert town.stack(number) is not None


async def test_a_trigger_without_paths_takes_any_change(town: Town) -> None:
    more = "    paths: [web/**]\n  - type: pr_label\n    labels: [preview, anything]\n"
    number = town.open(files=triggered(more))
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


# --- checks


async def test_it_waits_for_the_checks_of_that_very_commit(town: Town) -> None:  # pitfall 9
    number = town.open(files=triggered("    wait_for_checks: [build, 'test (*)']\n"))
    first = town.head(number)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.WAITING
    assert why(town, number).endswith("build and test (*) not done")
    town.forge.set_check(town.shop, first, "build", CheckState.PASSED)
    town.forge.set_check(town.shop, first, "test (3.11)", CheckState.PASSED)
    town.forge.set_check(town.shop, first, "test (3.12)", CheckState.FAILED)
    await town.live(minutes=1)
    assert why(town, number).endswith("test (3.12) failed")
    town.forge.set_check(town.shop, first, "test (3.12)", CheckState.PASSED)
    await town.live(minutes=1)
    assert town.runs(number) == first
    town.push(number)
    await town.live(minutes=5)
    assert (town.phase(number), town.runs(number)) == (Phase.WAITING, first)


# --- labels


async def test_a_label_that_is_renamed_takes_its_environment_with_it(town: Town) -> None:
    """The host puts the new name on every pull request that had the old one."""
    number = town.open()
    await town.live(minutes=1)
    town.forge.unlabel(town.shop, number, "preview")
    town.forge.label(town.shop, number, "try-it")
    await town.live(minutes=2)
    assert town.stack(number) is None
    assert "Removed" in town.comment(number)


async def test_a_label_deleted_from_the_repository_is_gone_from_all(town: Town) -> None:
    """Stated for each of them, so the brake on mass deletion does not hold it."""
    numbers = [town.open(str(each)) for each in range(8)]
    await town.live(minutes=3)
    for number in numbers:
        town.forge.unlabel(town.shop, number, "preview")
    await town.live(minutes=10)
    assert town.stacks.records == {}


async def test_drafts_by_setting(town: Town) -> None:
    number = town.open(files=triggered("    drafts: false\n"))
    town.forge.change(town.shop, number, draft=True)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.REFUSED
    assert "is a draft" in town.comment(number)
    town.forge.change(town.shop, number, draft=False)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


# --- what happens to branches and repositories


async def test_a_base_branch_that_changes_changes_nothing_of_ours(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    url, ups = town.url(number), town.ups(number)
    town.forge.push(town.shop, "next", {"text": "another base"})
    town.forge.change(town.shop, number, base_ref="next")
    await town.live(minutes=5)
    assert (town.url(number), town.ups(number), town.phase(number)) == (url, ups, Phase.READY)


async def test_a_base_branch_that_is_deleted_harms_nobody(town: Town) -> None:
    number = town.open()
    town.forge.change(town.shop, number, base_ref="no-more")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY


async def test_a_pull_request_in_conflict_gets_its_environment(town: Town) -> None:
    """The head commit is built, never a merge commit, which the host does not make while there is a conflict."""
    number = town.open(files={"text": "ours"})
    town.forge.push(town.shop, "main", {"text": "theirs"})
    await town.live(minutes=1)
    assert town.runs(number) == town.head(number)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=2)
    assert town.stack(number) is None


async def test_a_forced_push_back_to_an_older_commit_is_built_again(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    first, branch = town.runs(number), town.forge.pull(town.shop, number).head_ref
    second = town.push(number)
    await town.live(minutes=1)
    assert town.runs(number) == second
    town.forge.push(town.shop, branch, {}, sha=first)
    await town.live(minutes=1)
    assert (town.runs(number), town.phase(number)) == (first, Phase.READY)


async def test_an_archived_repository_is_served_without_a_word(town: Town) -> None:
    """It can be read and not written: what there is stays, ends as ever, and no refusal stops anything."""
    number = town.open()
    await town.live(minutes=1)
    town.forge.archive(town.shop)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=5)
    assert town.stack(number) is None


async def test_expiry_in_an_archived_repository_is_tried_on_and_harms_nobody(town: Town) -> None:
    number, other = town.open("one"), town.open("two")
    await town.live(minutes=1)
    town.forge.archive(town.shop)
    await town.skip(hours=73)
    assert town.stack(number) is not None
    assert any("could not be marked as expired" in said for said in town.said("cycle.failed"))
    town.forge.archive(town.shop, False)
    await town.live(minutes=5)
    assert town.stack(number) is None
    assert town.stack(other) is None


async def test_a_transferred_repository_keeps_its_environments(town: Town) -> None:  # Y3
    number = town.open()
    await town.live(minutes=1)
    url = town.url(number)
    town.forge.rename(town.shop, "globex/boutique")
    town.forge.allow(town.shop, "ada")
    await town.live(minutes=5)
    assert (town.url(number), town.phase(number)) == (url, Phase.READY)
    view = town.view(number)
    assert view is not None
    assert view.repository == "globex/boutique"


async def test_a_repository_out_of_sight_loses_nothing(town: Town) -> None:  # L7, pitfall 3
    """Deleted, or our access taken away: both look the same from here, and an operator decides."""
    number = town.open()
    await town.live(minutes=1)
    town.forge.hide(town.shop)
    await town.live(hours=2)
    assert town.stack(number) is not None
    town.forge.hide(town.shop, False)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
