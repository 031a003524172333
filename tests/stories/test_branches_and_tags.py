"""Branches and tags by glob: no pull request, and all the rest of a life. L1, L3, L5, L6, L7, Y3, Y4, pitfall 3."""

from __future__ import annotations

from orchestrator.core.model.world import CheckState
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import EXPIRED, ForgeUnavailable
from stacks import keys
from stacks.model import RefKind, StackRecord
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world import World

TRIGGERS = """\
triggers:
  - type: pr_label
    labels: [preview]
  - type: branch
    branches: ["release/*"]
  - type: tag
    tags: ["v*"]
"""


def ref_triggers(more: str = "") -> dict[str, str]:
    return {"eph.yaml": EPH_YAML + TRIGGERS + more}


def stack(world: World, name: str, kind: RefKind = RefKind.BRANCH) -> StackRecord | None:
    return world.stack(keys.ref(world.shop.id, kind, name))


def view(world: World, name: str, kind: RefKind = RefKind.BRANCH) -> EnvironmentView:
    found = world.view(keys.ref(world.shop.id, kind, name))
    assert found is not None
    return found


async def set_up_branches(world: World, *branches: str) -> None:
    """A town whose default branch names branches and tags, and some of those branches."""
    world.forge.push(world.shop, "main", ref_triggers())
    for branch in branches:
        world.forge.push(world.shop, branch, {"text": branch})
    await world.run_for(minutes=2)


async def test_a_branch_that_matches_gets_an_environment_and_others_do_not(world: World) -> None:
    await set_up_branches(world, "release/1", "release/1/hotfix", "feature")
    assert len(world.stacks.records) == 1
    shown = view(world, "release/1")
    assert shown.phase is Phase.READY
    assert (shown.title, shown.branch, shown.ref_name, shown.pull_url) == (
        "acme/shop@release/1", "release/1", "release/1", "",
    )  # fmt: skip
    assert shown.name.startswith("shop-")
    assert shown.name.endswith("-release")
    assert shown.ref.stack.startswith("branch-")


async def test_what_happened_is_told_on_the_commit_alone(world: World) -> None:  # P2
    await set_up_branches(world, "release/1")
    sha = world.forge.branch(world.shop, "release/1")
    assert list(world.forge.reports(world.shop, sha)) == ["eph/branch/release/1"]
    assert world.forge.comments_by_number(world.shop) == {}


async def test_a_push_updates_it_at_the_same_url(world: World) -> None:
    await set_up_branches(world, "release/1")
    url = view(world, "release/1").url
    new = world.forge.push(world.shop, "release/1", {"text": "more"})
    await world.run_for(minutes=1)
    shown = view(world, "release/1")
    assert (shown.url, shown.commit, shown.phase) == (url, new, Phase.READY)


async def test_a_tag_gets_one_and_is_no_branch_of_the_same_name(world: World) -> None:  # Y3
    world.forge.push(world.shop, "main", ref_triggers())
    world.forge.push(world.shop, "main", {"eph.yaml": ref_triggers()["eph.yaml"].replace("release/*", "v*")})
    world.forge.tag(world.shop, "v1")
    world.forge.push(world.shop, "v1", {"text": "a branch"})
    await world.run_for(minutes=2)
    branch, tag = view(world, "v1"), view(world, "v1", RefKind.TAG)
    assert (branch.phase, tag.phase) == (Phase.READY, Phase.READY)
    assert len({branch.name, tag.name}) == 2
    assert [shown.key and shown.key.kind for shown in (branch, tag)] == [RefKind.BRANCH, RefKind.TAG]


async def test_a_branch_that_is_deleted_takes_its_environment_once_that_is_confirmed(world: World) -> None:  # L7
    await set_up_branches(world, "release/1", "release/2")
    world.forge.delete_branch(world.shop, "release/1")
    await world.run_for(minutes=2)
    assert stack(world, "release/1") is None
    assert stack(world, "release/2") is not None


async def test_half_a_list_destroys_nothing(world: World) -> None:  # L7, pitfall 3
    await set_up_branches(world, "release/1", "release/2")
    for _ in range(5):
        world.forge.truncate_next_refs(world.shop, 0)
        await world.run_cycle()
        world.forge.fail_next(ForgeUnavailable("502"), "refs")
        await world.run_cycle()
    assert len(world.stacks.records) == 2
    assert view(world, "release/1").phase is Phase.READY
    world.forge.fail_next(ForgeUnavailable("502"), "refs")
    await world.run_cycle()
    plan = world.last_cycle.plan
    assert plan is not None
    assert len(plan.notes) == 1


async def test_a_branch_that_is_there_after_all_is_not_destroyed(world: World) -> None:
    """The list lacks it, and that very branch, asked for, is there."""
    await set_up_branches(world, "release/1")
    world.forge.delete_branch(world.shop, "release/1")
    await world.loop.cycle(True)  # a Confirm is planned; meanwhile the branch is pushed again
    world.forge.push(world.shop, "release/1", {"text": "again"})
    await world.run_for(minutes=2)
    assert view(world, "release/1").phase is Phase.READY


async def test_a_default_branch_that_cannot_be_read_or_is_wrong_changes_nothing(world: World) -> None:
    await set_up_branches(world, "release/1")
    world.forge.push(world.shop, "main", {"eph.yaml": BAD_YAML})
    await world.run_for(minutes=2)
    world.forge.push(world.shop, "release/2", ref_triggers())
    await world.run_for(minutes=5)
    assert stack(world, "release/1") is not None
    assert stack(world, "release/2") is None
    world.forge.push(world.shop, "main", ref_triggers())
    await world.run_for(minutes=5)
    assert view(world, "release/2").phase is Phase.READY


async def test_a_glob_taken_out_takes_its_environments(world: World) -> None:
    await set_up_branches(world, "release/1")
    world.forge.push(world.shop, "main", {"eph.yaml": EPH_YAML})
    await world.run_for(minutes=5)
    assert world.stacks.records == {}


async def test_an_old_branch_decides_nothing_about_itself(world: World) -> None:
    """Which branches count, the default branch says; what is in the environment, the branch's own file."""
    world.forge.push(world.shop, "feature", ref_triggers("      - feature\n"))
    await world.run_for(minutes=2)
    assert world.stacks.records == {}


async def test_a_branch_waits_for_its_checks_and_tells_a_mistake_on_the_commit(world: World) -> None:
    more = "    wait_for_checks: [build]\n"
    world.forge.push(world.shop, "main", ref_triggers(more))
    world.forge.tag(world.shop, "v1")
    world.forge.push(world.shop, "release/bad", {"eph.yaml": BAD_YAML})
    await world.run_for(minutes=2)
    assert view(world, "v1", RefKind.TAG).phase is Phase.WAITING
    assert "servces" in str(view(world, "release/bad").problems)
    world.forge.set_check(world.shop, world.forge.branch(world.shop, "main"), "build", CheckState.PASSED)
    await world.run_for(minutes=1)
    assert view(world, "v1", RefKind.TAG).phase is Phase.READY


async def test_tags_from_before_there_was_a_file_are_passed_over_in_silence(world: World) -> None:
    world.forge.push(world.shop, "main", {"eph.yaml": None})
    world.forge.tag(world.shop, "v0.1")
    await set_up_branches(world)
    assert world.last_cycle.views == ()


async def test_the_first_file_on_the_default_branch_is_seen_soon(world: World) -> None:  # L1
    """Where there is none it is looked for seldom, unless somebody pushes."""
    world.forge.push(world.shop, "main", {"eph.yaml": None})
    await world.run_for(minutes=5)
    world.forge.push(world.shop, "main", ref_triggers())
    world.forge.push(world.shop, "release/1", {"text": "1"})
    await world.run_for(minutes=2)
    assert view(world, "release/1").phase is Phase.READY


async def test_time_runs_out_for_a_branch_alike_and_a_push_brings_it_back(world: World) -> None:  # L5
    await set_up_branches(world, "release/1")
    await world.skip_ahead(hours=73)
    sha = world.forge.branch(world.shop, "release/1")
    assert world.stacks.records == {}
    assert view(world, "release/1").phase is Phase.EXPIRED
    assert list(world.forge.decisions(world.shop, sha)) == [f"{EXPIRED}/{view(world, 'release/1').ref.stack}"]
    await world.run_for(hours=1)
    assert world.stacks.records == {}
    world.forge.push(world.shop, "release/1", {"text": "news"})
    await world.run_for(minutes=1)
    assert view(world, "release/1").phase is Phase.READY


async def test_a_restart_knows_them_by_their_stacks(world: World) -> None:  # L2
    await set_up_branches(world, "release/1")
    url = view(world, "release/1").url
    await world.crash()
    await world.run_for(minutes=2)
    assert (view(world, "release/1").url, view(world, "release/1").phase) == (url, Phase.READY)
    world.forge.delete_branch(world.shop, "release/1")
    await world.crash()
    await world.run_for(minutes=2)
    assert world.stacks.records == {}


async def test_only_so_many_are_looked_at_the_newest_first(world: World) -> None:  # L6, Y4
    world.forge.push(world.shop, "main", ref_triggers())
    for minor in range(30):
        world.forge.tag(world.shop, f"v1.{minor}")
    await world.run_for(minutes=10)
    there = {minor for minor in range(30) if stack(world, f"v1.{minor}", RefKind.TAG)}
    assert there == set(range(10, 30))
    assert any("30 branches and tags match; only 20 are used" in said for said in world.last_cycle.forge.problems)
    world.forge.delete_tag(world.shop, "v1.29")
    await world.run_for(minutes=5)
    assert stack(world, "v1.29", RefKind.TAG) is None
    assert stack(world, "v1.9", RefKind.TAG) is not None


async def test_a_pull_request_of_the_same_commit_is_another_environment(world: World) -> None:
    await set_up_branches(world, "release/1")
    pull = world.forge.open_pull(world.shop, "release/1")
    world.label(pull)
    await world.run_for(minutes=1)
    assert len(world.stacks.records) == 2
    sha = world.forge.branch(world.shop, "release/1")
    assert set(world.forge.reports(world.shop, sha)) == {"eph/branch/release/1", "eph/preview"}
    world.close_pull(pull)
    await world.run_for(minutes=2)
    assert view(world, "release/1").phase is Phase.READY


async def test_without_a_glob_nothing_is_asked(world: World) -> None:  # L4
    world.open_pull()
    world.forge.fail_next(ForgeUnavailable("nobody asks this"), "refs")
    await world.run_for(minutes=10)
    assert world.last_cycle.complete
    world.forge.push(world.shop, "main", ref_triggers())
    await world.run_for(minutes=2)  # takes the failure
    assert world.last_cycle.complete
