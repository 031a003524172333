"""What asks for an environment, and all that happens to a pull request meanwhile: L3, Y1, Y3, pitfalls 9 to 11."""

from __future__ import annotations

from orchestrator.core.model.world import CheckState
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeUnavailable
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World

TRIGGER = "triggers:\n  - type: pr_label\n    labels: [preview]\n"


def with_trigger(more: str) -> dict[str, str]:
    return {"eph.yaml": EPH_YAML + TRIGGER + more}


def first_reason(world: World, number: int) -> str:
    view = world.view(number)
    assert view is not None
    return view.reasons[0]


# --- paths


async def test_a_change_of_nothing_that_counts_gets_no_environment_and_says_so(world: World) -> None:
    number = world.open_pull(files=with_trigger("    paths: [web/**]\n") | {"docs/page.md": "words"})
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.REFUSED
    assert world.stacks.started == []
    assert first_reason(world, number) == "acme/shop#1 changes no file that matches the paths in its eph.yaml (web/**)"
    assert "changes no file" in world.comment(number)
    world.push(number, {"web/app.py": "1"})
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    world.forge.push(world.shop, world.forge.pull(world.shop, number).head_ref, {"web/app.py": None})
    await world.run_for(minutes=2)
    assert world.stack(number) is None


async def test_what_it_changes_is_asked_once_for_a_commit(world: World) -> None:  # L4
    number = world.open_pull(files=with_trigger("    paths: [eph.yaml]\n"))
    world.forge.fail_next(ForgeUnavailable("502"), "changed_files")
    await world.run_cycle()
    assert world.phase(number) is Phase.WAITING
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    world.forge.fail_next(ForgeUnavailable("it is asked again"), "changed_files")
    await world.run_for(hours=1)
    assert world.phase(number) is Phase.READY
    world.push(number)  # takes the failure, and leaves what is there alone
    await world.run_for(seconds=1)
    assert world.stack(number) is not None


async def test_a_trigger_without_paths_takes_any_change(world: World) -> None:
    more = "    paths: [web/**]\n  - type: pr_label\n    labels: [preview, anything]\n"
    number = world.open_pull(files=with_trigger(more))
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


# --- checks


async def test_it_waits_for_the_checks_of_that_very_commit(world: World) -> None:  # pitfall 9
    number = world.open_pull(files=with_trigger("    wait_for_checks: [build, 'test (*)']\n"))
    first = world.head(number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.WAITING
    assert first_reason(world, number).endswith("build and test (*) pending")
    world.forge.set_check(world.shop, first, "build", CheckState.PASSED)
    world.forge.set_check(world.shop, first, "test (3.11)", CheckState.PASSED)
    world.forge.set_check(world.shop, first, "test (3.12)", CheckState.FAILED)
    await world.run_for(minutes=1)
    assert first_reason(world, number).endswith("test (3.12) failed")
    world.forge.set_check(world.shop, first, "test (3.12)", CheckState.PASSED)
    await world.run_for(minutes=1)
    assert world.running_commit(number) == first
    world.push(number)
    await world.run_for(minutes=5)
    assert (world.phase(number), world.running_commit(number)) == (Phase.WAITING, first)


# --- labels


async def test_a_label_that_is_renamed_takes_its_environment_with_it(world: World) -> None:
    """The host puts the new name on every pull request that had the old one."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.unlabel(number)
    world.label(number, "try-it")
    await world.run_for(minutes=2)
    assert world.stack(number) is None
    assert "Destroyed" in world.comment(number)


async def test_a_label_deleted_from_the_repository_is_gone_from_all(world: World) -> None:
    """Stated for each of them, so the brake on mass deletion does not hold it."""
    numbers = [world.open_pull(str(each)) for each in range(8)]
    await world.run_for(minutes=3)
    for number in numbers:
        world.unlabel(number)
    await world.run_for(minutes=10)
    assert world.stacks.records == {}


async def test_drafts_by_setting(world: World) -> None:
    number = world.open_pull(files=with_trigger("    drafts: false\n"))
    world.forge.update_pull(world.shop, number, draft=True)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.REFUSED
    assert "is a draft" in world.comment(number)
    world.forge.update_pull(world.shop, number, draft=False)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


# --- what happens to branches and repositories


async def test_a_base_branch_that_changes_changes_nothing_of_ours(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    url, ups = world.url(number), world.built_commits(number)
    world.forge.push(world.shop, "next", {"text": "another base"})
    world.forge.update_pull(world.shop, number, base_ref="next")
    await world.run_for(minutes=5)
    assert (world.url(number), world.built_commits(number), world.phase(number)) == (url, ups, Phase.READY)


async def test_a_base_branch_that_is_deleted_harms_nobody(world: World) -> None:
    number = world.open_pull()
    world.forge.update_pull(world.shop, number, base_ref="no-more")
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY


async def test_a_pull_request_in_conflict_gets_its_environment(world: World) -> None:
    """The head commit is built, never a merge commit, which the host does not make while there is a conflict."""
    number = world.open_pull(files={"text": "ours"})
    world.forge.push(world.shop, "main", {"text": "theirs"})
    await world.run_for(minutes=1)
    assert world.running_commit(number) == world.head(number)
    world.close_pull(number)
    await world.run_for(minutes=2)
    assert world.stack(number) is None


async def test_a_forced_push_back_to_an_older_commit_is_built_again(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    first, branch = world.running_commit(number), world.forge.pull(world.shop, number).head_ref
    second = world.push(number)
    await world.run_for(minutes=1)
    assert world.running_commit(number) == second
    world.forge.push(world.shop, branch, {}, sha=first)
    await world.run_for(minutes=1)
    assert (world.running_commit(number), world.phase(number)) == (first, Phase.READY)


async def test_an_archived_repository_is_served_without_a_word(world: World) -> None:
    """It can be read and not written: what there is stays, ends as ever, and no refusal stops anything."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.archive(world.shop)
    world.close_pull(number)
    await world.run_for(minutes=5)
    assert world.stack(number) is None


async def test_expiry_in_an_archived_repository_is_tried_on_and_harms_nobody(world: World) -> None:
    number, other = world.open_pull("one"), world.open_pull("two")
    await world.run_for(minutes=1)
    world.forge.archive(world.shop)
    await world.skip_ahead(hours=73)
    assert world.stack(number) is not None
    assert world.event_messages("cycle.failed")
    world.forge.archive(world.shop, False)
    await world.run_for(minutes=5)
    assert world.stack(number) is None
    assert world.stack(other) is None


async def test_a_transferred_repository_keeps_its_environments(world: World) -> None:  # Y3
    number = world.open_pull()
    await world.run_for(minutes=1)
    url = world.url(number)
    world.forge.rename(world.shop, "globex/boutique")
    world.forge.grant_write(world.shop, "ada")
    await world.run_for(minutes=5)
    assert (world.url(number), world.phase(number)) == (url, Phase.READY)
    view = world.view(number)
    assert view is not None
    assert view.repository == "globex/boutique"


async def test_a_repository_out_of_sight_loses_nothing(world: World) -> None:  # L7, pitfall 3
    """Deleted, or our access taken away: both look the same from here, and an operator decides."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.hide(world.shop)
    await world.run_for(hours=2)
    assert world.stack(number) is not None
    world.forge.hide(world.shop, False)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
