"""One label, one deploy: a newer one replaces the older and makes room, whatever fails. Rows: L2, L7, M3."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from orchestrator.core.model.policy import DeployLimits
from orchestrator.core.views.phases import Phase
from orchestrator.service.port import DeployNotFound, RefusalReason
from stacks.model import OperationVerb, StackRecord
from tests.service.change_requests import refused
from tests.worlds.world import World


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


async def test_an_extension_during_a_replacement_is_refused_instead_of_lost(world: World) -> None:  # M3, L5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=3))
    await world.run_for(minutes=1)
    world.branch("feat", {"text": "2"})
    ref = world.hold(world.deploy_key("feat-x"))
    second = await world.deploy("feat-x", "feat", ttl=timedelta(hours=2))
    await world.run_for(seconds=30)
    with refused(RefusalReason.BEING_REPLACED):
        await world.system.service.extend(str(ref), 3600, "bob")
    world.release(ref)
    await world.run_for(minutes=1)
    extended = await world.system.service.extend(str(ref), 3600, "bob")
    await world.run_for(minutes=1)
    record = world.stack(world.deploy_key("feat-x"))
    assert record is not None
    assert record.tag is not None
    assert record.tag.extended_until == extended.expires_at == second.expires_at + timedelta(hours=1)


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
