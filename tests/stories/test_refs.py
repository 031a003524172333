"""Branches and tags by glob: no pull request, and all the rest of a life. L1, L3, L5, L6, L7, Y3, Y4, pitfall 3."""

from __future__ import annotations

from orchestrator.core.model import CheckState, Key
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import EXPIRED, ForgeUnavailable
from stacks import names
from stacks.model import RefKind, StackRecord
from tests.stories.town import BAD_YAML, EPH_YAML, Town

TRIGGERS = """\
triggers:
  - type: pr_label
    labels: [preview]
  - type: branch
    branches: ["release/*"]
  - type: tag
    tags: ["v*"]
"""


def watching(more: str = "") -> dict[str, str]:
    return {"eph.yaml": EPH_YAML + TRIGGERS + more}


def number(name: str, kind: RefKind = RefKind.BRANCH) -> int:
    return names.ref_number(kind, name)


def stack(town: Town, name: str, kind: RefKind = RefKind.BRANCH) -> StackRecord | None:
    return town.stack(number(name, kind))


def view(town: Town, name: str, kind: RefKind = RefKind.BRANCH) -> EnvironmentView:
    found = town.view(number(name, kind))
    assert found is not None
    return found


async def watched(town: Town, *branches: str) -> None:
    """A town whose default branch names branches and tags, and some of those branches."""
    town.forge.push(town.shop, "main", watching())
    for branch in branches:
        town.forge.push(town.shop, branch, {"text": branch})
    await town.live(minutes=2)


async def test_a_branch_that_matches_gets_an_environment_and_others_do_not(town: Town) -> None:
    await watched(town, "release/1", "release/1/hotfix", "feature")
    assert len(town.stacks.records) == 1
    shown = view(town, "release/1")
    assert shown.phase is Phase.READY
    assert (shown.title, shown.branch, shown.ref_name, shown.pull_url) == (
        "acme/shop@release/1", "release/1", "release/1", "",
    )  # fmt: skip
    assert shown.name.startswith("shop-")
    assert shown.name.endswith("-release")
    assert shown.ref.stack.startswith("branch-")


async def test_what_happened_is_told_on_the_commit_alone(town: Town) -> None:  # P2
    await watched(town, "release/1")
    sha = town.forge.branch(town.shop, "release/1")
    assert list(town.forge.reports(town.shop, sha)) == ["eph/branch/release/1"]
    assert town.forge.comments(town.shop, number("release/1")) == []


async def test_a_push_updates_it_at_the_same_url(town: Town) -> None:
    await watched(town, "release/1")
    url = view(town, "release/1").url
    new = town.forge.push(town.shop, "release/1", {"text": "more"})
    await town.live(minutes=1)
    shown = view(town, "release/1")
    assert (shown.url, shown.commit, shown.phase) == (url, new, Phase.READY)


async def test_a_tag_gets_one_and_is_no_branch_of_the_same_name(town: Town) -> None:  # Y3
    town.forge.push(town.shop, "main", watching())
    town.forge.push(town.shop, "main", {"eph.yaml": watching()["eph.yaml"].replace("release/*", "v*")})
    town.forge.tag(town.shop, "v1")
    town.forge.push(town.shop, "v1", {"text": "a branch"})
    await town.live(minutes=2)
    branch, tag = view(town, "v1"), view(town, "v1", RefKind.TAG)
    assert (branch.phase, tag.phase) == (Phase.READY, Phase.READY)
    assert len({branch.name, tag.name}) == 2
    assert Key(town.shop.id, number("v1", RefKind.TAG)).kind is RefKind.TAG


async def test_a_branch_that_is_deleted_takes_its_environment_once_that_is_confirmed(town: Town) -> None:  # L7
    await watched(town, "release/1", "release/2")
    town.forge.delete_branch(town.shop, "release/1")
    await town.live(minutes=2)
    assert stack(town, "release/1") is None
    assert stack(town, "release/2") is not None


async def test_half_a_list_destroys_nothing(town: Town) -> None:  # L7, pitfall 3
    await watched(town, "release/1", "release/2")
    for _ in range(5):
        town.forge.cut_refs(town.shop, 0)
        await town.cycle()
        town.forge.fail_next(ForgeUnavailable("502"), "refs")
        await town.cycle()
    assert len(town.stacks.records) == 2
    assert view(town, "release/1").phase is Phase.READY
    town.forge.fail_next(ForgeUnavailable("502"), "refs")
    await town.cycle()
    plan = town.loop.shown.plan
    assert plan is not None
    assert any("branches and tags of acme/shop could not be read whole: 502" in note for note in plan.notes)


async def test_a_branch_that_is_there_after_all_is_not_destroyed(town: Town) -> None:
    """The list lacks it, and that very branch, asked for, is there."""
    await watched(town, "release/1")
    town.forge.delete_branch(town.shop, "release/1")
    await town.loop.cycle(True)  # a Confirm is planned; meanwhile the branch is pushed again
    town.forge.push(town.shop, "release/1", {"text": "again"})
    await town.live(minutes=2)
    assert view(town, "release/1").phase is Phase.READY


async def test_a_default_branch_that_cannot_be_read_or_is_wrong_changes_nothing(town: Town) -> None:
    await watched(town, "release/1")
    town.forge.push(town.shop, "main", {"eph.yaml": BAD_YAML})
    await town.live(minutes=2)
    town.forge.push(town.shop, "release/2", watching())
    await town.live(minutes=5)
    assert stack(town, "release/1") is not None
    assert stack(town, "release/2") is None
    town.forge.push(town.shop, "main", watching())
    await town.live(minutes=5)
    assert view(town, "release/2").phase is Phase.READY


async def test_a_glob_taken_out_takes_its_environments(town: Town) -> None:
    await watched(town, "release/1")
    town.forge.push(town.shop, "main", {"eph.yaml": EPH_YAML})
    await town.live(minutes=5)
    assert town.stacks.records == {}


async def test_an_old_branch_decides_nothing_about_itself(town: Town) -> None:
    """Which branches count, the default branch says; what is in the environment, the branch's own file."""
    town.forge.push(town.shop, "feature", watching("      - feature\n"))
    await town.live(minutes=2)
    assert town.stacks.records == {}


async def test_a_branch_waits_for_its_checks_and_tells_a_mistake_on_the_commit(town: Town) -> None:
    more = "    wait_for_checks: [build]\n"
    town.forge.push(town.shop, "main", watching(more))
    town.forge.tag(town.shop, "v1")
    town.forge.push(town.shop, "release/bad", {"eph.yaml": BAD_YAML})
    await town.live(minutes=2)
    assert view(town, "v1", RefKind.TAG).phase is Phase.WAITING
    assert "servces" in str(view(town, "release/bad").problems)
    town.forge.set_check(town.shop, town.forge.branch(town.shop, "main"), "build", CheckState.PASSED)
    await town.live(minutes=1)
    assert view(town, "v1", RefKind.TAG).phase is Phase.READY


async def test_tags_from_before_there_was_a_file_are_passed_over_in_silence(town: Town) -> None:
    town.forge.push(town.shop, "main", {"eph.yaml": None})
    town.forge.tag(town.shop, "v0.1")
    await watched(town)
    assert town.loop.shown.views == ()


async def test_the_first_file_on_the_default_branch_is_seen_soon(town: Town) -> None:  # L1
    """Where there is none it is looked for seldom, unless somebody pushes."""
    town.forge.push(town.shop, "main", {"eph.yaml": None})
    await town.live(minutes=5)
    town.forge.push(town.shop, "main", watching())
    town.forge.push(town.shop, "release/1", {"text": "1"})
    await town.live(minutes=2)
    assert view(town, "release/1").phase is Phase.READY


async def test_time_runs_out_for_a_branch_alike_and_a_push_brings_it_back(town: Town) -> None:  # L5
    await watched(town, "release/1")
    await town.skip(hours=73)
    sha = town.forge.branch(town.shop, "release/1")
    assert town.stacks.records == {}
    assert view(town, "release/1").phase is Phase.EXPIRED
    assert list(town.forge.decisions(town.shop, sha)) == [f"{EXPIRED}/{view(town, 'release/1').ref.stack}"]
    await town.live(hours=1)
    assert town.stacks.records == {}
    town.forge.push(town.shop, "release/1", {"text": "news"})
    await town.live(minutes=1)
    assert view(town, "release/1").phase is Phase.READY


async def test_a_restart_knows_them_by_their_stacks(town: Town) -> None:  # L2
    await watched(town, "release/1")
    url = view(town, "release/1").url
    await town.kill()
    await town.live(minutes=2)
    assert (view(town, "release/1").url, view(town, "release/1").phase) == (url, Phase.READY)
    town.forge.delete_branch(town.shop, "release/1")
    await town.kill()
    await town.live(minutes=2)
    assert town.stacks.records == {}


async def test_only_so_many_are_looked_at_the_newest_first(town: Town) -> None:  # L6, Y4
    town.forge.push(town.shop, "main", watching())
    for minor in range(30):
        town.forge.tag(town.shop, f"v1.{minor}")
    await town.live(minutes=10)
    there = {minor for minor in range(30) if stack(town, f"v1.{minor}", RefKind.TAG)}
    assert there == set(range(10, 30))
    assert any("30 branches and tags match, 20 are looked at" in said for said in town.loop.shown.forge.trouble)
    town.forge.delete_tag(town.shop, "v1.29")
    await town.live(minutes=5)
    assert stack(town, "v1.29", RefKind.TAG) is None
    assert stack(town, "v1.9", RefKind.TAG) is not None


async def test_a_pull_request_of_the_same_commit_is_another_environment(town: Town) -> None:
    await watched(town, "release/1")
    pull = town.forge.open_pull(town.shop, "release/1")
    town.forge.label(town.shop, pull, "preview")
    await town.live(minutes=1)
    assert len(town.stacks.records) == 2
    sha = town.forge.branch(town.shop, "release/1")
    assert set(town.forge.reports(town.shop, sha)) == {"eph/branch/release/1", "eph/preview"}
    town.forge.close_pull(town.shop, pull)
    await town.live(minutes=2)
    assert view(town, "release/1").phase is Phase.READY


async def test_without_a_glob_nothing_is_asked(town: Town) -> None:  # L4
    town.open()
    town.forge.fail_next(ForgeUnavailable("nobody asks this"), "refs")
    await town.live(minutes=10)
    assert town.loop.shown.complete
    town.forge.push(town.shop, "main", watching())
    await town.live(minutes=2)  # takes the failure
    assert town.loop.shown.complete
