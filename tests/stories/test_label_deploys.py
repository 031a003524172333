"""Deploys under a label, without a pull request. Rows: M1, M2, M3, M5. Pitfalls 3, 17."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from orchestrator.core.model.policy import DeployLimits
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.port import DeployNotFound, RefusalReason, RequestRefused, TemporarilyUnavailable
from stacks import keys
from stacks.model import OperationVerb, RefKind, StackRecord
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world import World

APP = "app: {route: shop.localhost, branch: main}\n"
MAIN = "triggers:\n  - type: branch\n    branches: [main]\n"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.branch("main", {"eph.yaml": EPH_YAML + APP})
    made.branch("feat")
    await made.run_for(seconds=0)
    yield made
    await made.close()


def refused(error: pytest.ExceptionInfo[RequestRefused]) -> RefusalReason:
    return error.value.reason


async def test_a_branch_is_deployed_under_a_label_and_outlives_the_process(world: World) -> None:  # M1
    commit = world.branch("feat")
    deploy = await world.deploy("Feat/X", "feat")
    assert (deploy.label, deploy.host, deploy.commit, deploy.state) == (
        "feat-x",
        "feat-x.shop.localhost",
        commit,
        "pending",
    )
    await world.run_for(minutes=1)
    key = world.deploy_key("feat-x")
    assert (world.deploy_state(deploy), world.phase(key)) == ("deployed", Phase.READY)
    record = world.stack(key)
    assert record is not None
    assert record.tag is not None
    assert (record.tag.ref_name, record.tag.commit, record.tag.by) == ("feat-x", commit, "bob")
    assert (
        record.tag.extended_until
        == deploy.expires_at
        == (world.now - timedelta(minutes=1)).replace(microsecond=0) + timedelta(hours=24)
    )
    await world.crash()
    await world.run_for(minutes=10)
    assert (world.phase(key), world.running_commit(key)) == (Phase.READY, commit)


async def test_a_push_to_the_branch_does_not_move_a_deploy(world: World) -> None:  # M1
    commit = world.branch("feat")
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.branch("feat", {"text": "later"})
    await world.run_for(minutes=5)
    assert world.running_commit(world.deploy_key("feat-x")) == commit


async def test_the_git_host_sees_nothing_of_a_deploy(world: World) -> None:  # M1
    """No deployment record, no check, no commit status: the deploy is never the active version."""
    commit = world.branch("feat")
    await world.deploy("feat-x", "feat", ttl=timedelta(minutes=10))
    for span in (1, 15):
        await world.run_for(minutes=span)
        assert world.forge.deployments(world.shop) == {}
        assert world.forge.reports(world.shop, commit) == {}
        assert world.forge.decisions(world.shop, commit) == {}


async def test_the_active_version_stays_as_it_is(world: World) -> None:  # M1, M2
    """Deploying the very commit of the active version creates a second environment."""
    world.branch("main", {"eph.yaml": EPH_YAML + APP + MAIN})
    await world.run_for(minutes=2)
    active = keys.ref(world.shop.id, RefKind.BRANCH, "main")
    before, built = world.stack(active), len(world.stacks.started)
    assert before is not None
    assert before.built is not None
    assert before.built.url.startswith("http://shop.localhost")
    await world.deploy("copy", version=before.built.commit[:12])
    await world.run_for(minutes=2)
    await world.system.service.down(str(world.ref(world.deploy_key("copy"))), "bob")
    await world.run_for(minutes=2)
    assert world.stack(active) == before
    assert {each.ref for each in world.stacks.started[built:]} == {world.ref(world.deploy_key("copy"))}


@pytest.mark.parametrize("ttl", [0, -1, -3600, 7 * 86400 + 1])
async def test_a_ttl_outside_the_policy_is_refused(world: World, ttl: int) -> None:  # M1
    with pytest.raises(RequestRefused) as error:
        await world.deploy("feat-x", "feat", ttl=timedelta(seconds=ttl))
    assert refused(error) is RefusalReason.INVALID_TTL
    await world.run_for(minutes=2)
    assert world.deploys() == set()


async def test_an_extension_stays_within_the_policy(world: World) -> None:  # M1
    await world.deploy("feat-x", "feat", ttl=timedelta(days=6))
    await world.run_for(minutes=1)
    name = str(world.ref(world.deploy_key("feat-x")))
    await world.system.service.extend(name, 3600, "bob")
    for attempt in (world.system.service.extend(name, 2 * 86400, "bob"), world.system.service.keep(name, True, "bob")):
        with pytest.raises(RequestRefused):
            await attempt


@pytest.mark.parametrize("label", ["", "---", "www", "API", "main", "Main", "x" * 41, "é"])
async def test_an_invalid_or_reserved_label_is_refused(world: World, label: str) -> None:  # M1, M2
    with pytest.raises(RequestRefused) as error:
        await world.deploy(label, "feat")
    assert refused(error) is RefusalReason.INVALID_LABEL


async def test_a_label_that_shadows_a_real_host_is_refused(world: World) -> None:  # M2
    world.app_routes["beta.shop.localhost"] = "acme/other"
    await world.crash()
    await world.run_for(seconds=0)
    with pytest.raises(RequestRefused) as error:
        await world.deploy("beta", "feat")
    assert refused(error) is RefusalReason.HOST_TAKEN


async def test_a_route_of_another_repository_is_refused(world: World) -> None:  # M2, Y4
    world.branch("feat", {"eph.yaml": EPH_YAML + "app: {route: pay.localhost}\n"})
    with pytest.raises(RequestRefused, match="doesn't allow this route") as error:
        await world.deploy("feat-x", "feat")
    assert refused(error) is RefusalReason.INVALID_RECIPE


async def test_without_a_route_it_has_an_unguessable_host(world: World) -> None:  # M2, Y3
    world.branch("feat", {"eph.yaml": EPH_YAML})
    deploy = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    view = world.view(world.deploy_key("feat-x"))
    assert view is not None
    assert deploy.host == view.host == f"{view.name}.localhost"


async def test_what_can_not_be_deployed_is_refused(world: World) -> None:
    fork = world.forge.push(world.shop, "stranger", {"text": "evil"})
    world.branch("broken", {"eph.yaml": BAD_YAML})
    for request, reason in (
        ({"ref": "nowhere"}, RefusalReason.UNKNOWN_VERSION),
        ({"ref": "*"}, RefusalReason.UNKNOWN_VERSION),
        ({"version": fork}, RefusalReason.UNKNOWN_VERSION),
        ({}, RefusalReason.UNKNOWN_VERSION),
        ({"ref": "feat", "version": fork}, RefusalReason.UNKNOWN_VERSION),
        ({"ref": "broken"}, RefusalReason.INVALID_RECIPE),
        ({"ref": "feat", "repository": "acme/pay"}, RefusalReason.UNKNOWN_REPOSITORY),
    ):
        with pytest.raises(RequestRefused) as error:
            await world.deploy("feat-x", **request)
        assert refused(error) is reason


async def test_an_approved_commit_of_a_fork_is_no_version(world: World) -> None:  # S2
    number = world.open_pull("stranger", by="eve", from_fork=True)
    await world.run_for(minutes=1)
    await world.system.service.approve_commit(str(world.ref(number)), world.head(number), "ada")
    await world.run_for(minutes=1)
    assert world.running_commit(number) == world.head(number)
    with pytest.raises(RequestRefused) as error:
        await world.deploy("feat-x", version=world.head(number))
    assert refused(error) is RefusalReason.UNKNOWN_VERSION


async def test_the_git_host_is_down(world: World) -> None:  # M5, L7
    world.forge.hide(world.shop)
    with pytest.raises(TemporarilyUnavailable):
        await world.deploy("feat-x", "feat")


async def test_before_the_first_cycle_nothing_is_refused_as_unknown(world: World) -> None:  # M5
    await world.crash()
    with pytest.raises(TemporarilyUnavailable):
        await world.deploy("feat-x", "feat")


async def test_it_is_collected_when_it_expires(world: World) -> None:  # M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    assert world.deploys() == {"feat-x"}
    await world.run_for(minutes=5)
    assert world.deploys() == set()
    await world.run_for(hours=1)
    assert world.deploys() == set()


async def test_the_next_cycle_is_in_the_second_of_its_expiry(world: World) -> None:  # M5
    """Not up to an interval later: on some targets, people reach it without Eph's gateway."""
    deploy = await world.deploy("feat-x", "feat", ttl=timedelta(minutes=10))
    await world.run_for(seconds=(deploy.expires_at - world.now).total_seconds() - 5)
    assert await world.run_cycle() == deploy.expires_at
    assert world.deploys() == {"feat-x"}
    await world.run_for(seconds=5)
    assert world.deploys() == set()


async def test_it_is_collected_while_the_git_host_is_incomplete(world: World) -> None:  # M5
    """The tag states the expiry, so nothing at the Git host can change it."""
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=30)
    world.forge.hide(world.shop)
    await world.run_for(minutes=35)
    assert world.deploys() == set()


async def test_a_failed_cleanup_keeps_the_record_and_is_retried(world: World) -> None:  # M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    world.stacks.fail(world.ref(world.deploy_key("feat-x")), "the disk is full", times=2, verb=OperationVerb.DESTROY)
    await world.run_for(minutes=1.2)
    assert world.deploys() == {"feat-x"}
    await world.run_for(minutes=10)
    assert world.deploys() == set()


async def test_an_expired_deploy_does_not_hide_a_new_one_of_the_same_label(world: World) -> None:  # M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    ref = world.hold(world.deploy_key("feat-x"))
    await world.run_for(minutes=5)
    assert world.phase(world.deploy_key("feat-x")) is Phase.DESTROYING
    newer = world.branch("feat", {"text": "again"})
    again = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.release(ref)
    await world.run_for(minutes=2)
    assert (world.deploy_state(again), world.running_commit(world.deploy_key("feat-x"))) == ("deployed", newer)


async def test_the_same_label_replaces_and_exactly_one_is_left(world: World) -> None:  # M3
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    newer = world.branch("feat", {"text": "2"})
    ref = world.hold(world.deploy_key("feat-x"))
    second = await world.deploy("FEAT_X", "feat", ttl=timedelta(hours=2))
    await world.run_for(seconds=30)
    record = world.stack(world.deploy_key("feat-x"))
    assert record is not None
    assert record.built is not None
    assert record.tag is not None
    assert (record.built.commit, record.tag.commit) == (first.commit, first.commit)  # still live, and still requested
    world.release(ref)
    await world.run_for(minutes=1)
    record = world.stack(world.deploy_key("feat-x"))
    assert record is not None
    assert record.tag is not None
    assert (world.deploys(), world.deploy_state(second)) == ({"feat-x"}, "deployed")
    assert (record.tag.commit, record.tag.extended_until) == (newer, second.expires_at)


async def test_a_failed_replacement_leaves_the_old_deploy_as_it_was(world: World) -> None:  # M3
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    key = world.deploy_key("feat-x")
    before = world.stack(key)
    world.branch("feat", {"text": "broken"})
    world.stacks.fail(world.ref(key), "npm failed", verb=OperationVerb.UP)
    second = await world.deploy("feat-x", "feat", ttl=timedelta(hours=48))
    await world.run_for(minutes=10)
    status = world.system.service.deploy_status(second.id)
    assert (status.state, "npm failed" in status.error, status.replaces) == ("failed", True, first.commit)
    after = world.stack(key)
    assert before is not None
    assert after is not None
    assert (after.tag, after.built, world.phase(key)) == (before.tag, before.built, Phase.READY)


async def test_a_failed_first_deploy_leaves_nothing(world: World) -> None:  # M3
    world.stacks.fail(world.ref(world.deploy_key("feat-x")), "npm failed", verb=OperationVerb.UP)
    deploy = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=2)
    assert (world.deploy_state(deploy), world.deploys()) == ("failed", set())


async def test_a_deploy_that_can_not_be_recorded_fails_and_the_old_one_returns(world: World) -> None:  # M3
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    key = world.deploy_key("feat-x")
    world.branch("feat", {"text": "2"})
    world.stacks.fail(world.ref(key), "the backend is read-only", verb=OperationVerb.RETAG)
    second = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=5)
    status = world.system.service.deploy_status(second.id)
    assert (status.state, "read-only" in status.error) == ("failed", True)
    world.stacks.clear_failure(world.ref(key))
    await world.run_for(minutes=5)
    record = world.stack(key)
    assert record is not None
    assert record.tag is not None
    assert (world.running_commit(key), record.tag.extended_until) == (first.commit, first.expires_at)


async def test_two_deploys_of_one_label_at_once(world: World) -> None:  # M3
    one, two = world.branch("one"), world.branch("two")
    first, second = await asyncio.gather(world.deploy("feat-x", "one"), world.deploy("feat-x", "two"))
    await world.run_for(minutes=2)
    assert sorted((world.deploy_state(first), world.deploy_state(second))) == ["deployed", "replaced"]
    live = next(each for each in (first, second) if world.deploy_state(each) == "deployed")
    assert world.deploys() == {"feat-x"}
    assert world.running_commit(world.deploy_key("feat-x")) == live.commit in (one, two)


async def fill(world: World, count: int) -> None:
    world.deploy_limits = DeployLimits(per_app=count)
    await world.crash()
    await world.run_for(seconds=0)
    for number in range(count):
        await world.deploy(f"v{number}", "feat", ttl=timedelta(hours=24 - number))
    await world.run_for(minutes=2)
    assert len(world.deploys()) == count


async def test_at_the_limit_the_one_nearest_to_expiry_makes_room(world: World) -> None:  # M3
    await fill(world, 3)
    deploy = await world.deploy("new", "feat")
    await world.run_for(minutes=2)
    assert (world.deploys(), world.deploy_state(deploy)) == ({"v0", "v1", "new"}, "deployed")


async def test_the_same_label_needs_no_room(world: World) -> None:  # M3
    await fill(world, 3)
    await world.deploy("v1", "feat")
    await world.run_for(minutes=2)
    assert world.deploys() == {"v0", "v1", "v2"}


async def test_two_deploys_at_once_do_not_exceed_the_limit(world: World) -> None:  # M3
    await fill(world, 3)
    await asyncio.gather(world.deploy("new", "feat"), world.deploy("newer", "feat"))
    await world.run_for(minutes=3)
    assert world.deploys() == {"v0", "new", "newer"}


async def test_if_making_room_fails_the_deploy_fails(world: World) -> None:  # M3
    await fill(world, 3)
    leaving = world.ref(world.deploy_key("v2"))
    world.stacks.fail(leaving, "the disk is full", verb=OperationVerb.DESTROY)
    deploy = await world.deploy("new", "feat")
    await world.run_for(minutes=5)
    status = world.system.service.deploy_status(deploy.id)
    assert (status.state, "make room" in status.error) == ("failed", True)
    assert world.deploys() == {"v0", "v1", "v2"}
    assert world.phase(world.deploy_key("v2")) is Phase.READY


async def test_a_person_destroys_it_while_it_is_created(world: World) -> None:
    ref = world.hold(world.deploy_key("feat-x"))
    deploy = await world.deploy("feat-x", "feat")
    await world.run_for(seconds=5)
    await world.system.service.down(str(ref), "bob")
    await world.run_for(minutes=1)
    world.release(ref)
    await world.run_for(minutes=5)
    assert (world.deploys(), world.deploy_state(deploy)) == (set(), "failed")


@pytest.mark.parametrize("seconds", [0, 5])
async def test_a_kill_during_creation_leaves_it_whole_or_not_at_all(world: World, seconds: int) -> None:  # L2, M3
    ref = world.hold(world.deploy_key("feat-x"))
    deploy = await world.deploy("feat-x", "feat")
    if seconds:
        await world.run_for(seconds=seconds)
    await world.crash()
    world.release(ref)
    await world.run_for(minutes=3)
    with pytest.raises(DeployNotFound):
        world.deploy_state(deploy)
    assert world.deploys() == ({"feat-x"} if seconds else set())


async def test_without_its_tag_a_deploy_is_removed_however_little_of_it_exists(world: World) -> None:  # L7, M3
    """A kill before the first resource, and then the tag was lost: nothing in the stack says what it was."""
    ref = world.ref(world.deploy_key("feat-x"))
    world.stacks.records[ref] = StackRecord(ref)
    await world.run_for(minutes=5)
    assert world.deploys() == set()


async def test_a_kill_during_a_replacement_returns_to_the_recorded_deploy(world: World) -> None:  # L2, M3
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.branch("feat", {"text": "2"})
    world.hold(world.deploy_key("feat-x"))
    await world.deploy("feat-x", "feat")
    await world.run_for(seconds=30)
    await world.crash()
    await world.run_for(minutes=5)
    key = world.deploy_key("feat-x")
    assert (world.phase(key), world.running_commit(key)) == (Phase.READY, first.commit)


async def test_versions_survive_the_loss_of_the_event_log(world: World) -> None:  # M6
    """Commits and times follow from the stacks; only who deployed a replaced one is in the log."""
    world.branch("main", {"eph.yaml": EPH_YAML + APP + MAIN})
    first = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=2)
    newer = world.branch("feat", {"text": "2"})
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=2)
    found = await world.system.service.versions("acme/shop")
    seen = [(each.kind, each.label, each.commit) for each in found]
    assert [each[0] for each in seen] == ["active", "ephemeral", "replaced"]
    assert seen[1:] == [("ephemeral", "feat-x", newer), ("replaced", "feat-x", first.commit)]
    assert [each.by for each in found[1:]] == ["bob", "bob"]
    world.ledger = MemoryLedger()
    await world.crash()
    await world.run_for(minutes=1)
    again = await world.system.service.versions("acme/shop")
    assert [(each.kind, each.label, each.commit) for each in again] == seen
