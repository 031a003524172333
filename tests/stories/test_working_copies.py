"""Deploys of a working copy that someone uploaded (M1). Its commit is known to Eph only."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.service.deploys.deploy_port import UploadedCommit
from orchestrator.service.deploys.working_copies import MAX_CONCURRENT, UploadTimeouts, WorkingCopies
from orchestrator.service.port import RefusalReason, RequestRefused, TemporarilyUnavailable
from programs.kit.git.uploads import UploadStore
from tests.pack_files import one_file
from tests.service.change_requests import refused
from tests.worlds.eph_files import BAD_YAML, EPH_YAML
from tests.worlds.world import World

APP = "app: {route: shop.localhost, branch: main}\n"
KEPT = timedelta(minutes=15)
_numbers = itertools.count()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(folder=tmp_path)
    made.branch("main", {"eph.yaml": EPH_YAML + APP})
    await made.run_for(seconds=0)
    yield made
    await made.close()


async def upload(world: World, text: str = EPH_YAML + APP, by: str = "bob", limit: int = 10**9) -> UploadedCommit:
    bundle = one_file(world.folder / f"{next(_numbers)}.bundle", text.encode())[1].read_bytes()[:limit]

    return await world.system.service.upload("acme/shop", complete(bundle), by)


async def complete(bundle: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(bundle), 100):
        yield bundle[start : start + 100]


def store(world: World) -> UploadStore:
    assert world.uploads is not None
    return world.uploads


def uploads(world: World) -> list[str]:
    return [each.commit for each in store(world).list_uploads()]


async def settle(world: World, until: Callable[[], bool]) -> None:
    """Removals run in a thread."""
    for _ in range(50):
        await world.run_for(minutes=1)
        if until():
            return
    raise AssertionError(uploads(world))


async def test_a_working_copy_is_deployed_and_outlives_the_process(world: World) -> None:
    made = await upload(world)
    deploy = await world.deploy("feat-x", upload=made.commit)
    await world.run_for(minutes=1)
    key = world.deploy_key("feat-x")
    assert (world.deploy_state(deploy), world.phase(key), world.running_commit(key)) == (
        "deployed",
        Phase.READY,
        made.commit,
    )
    started = next(each for each in world.stacks.started if each.commit == made.commit)
    assert started.spec is not None
    assert started.spec.source.clone_url == store(world).clone_url(world.shop.id, made.commit)
    await world.crash()
    await world.run_for(minutes=60)
    assert (world.phase(key), uploads(world)) == (Phase.READY, [made.commit])


async def test_the_upload_is_removed_with_its_environment(world: World) -> None:
    made = await upload(world)
    await world.deploy("feat-x", upload=made.commit, ttl=timedelta(hours=2))
    await world.run_for(minutes=110)
    assert uploads(world) == [made.commit]
    await world.run_for(minutes=30)
    await settle(world, lambda: uploads(world) == [])
    assert world.deploys() == set()


async def test_a_replaced_upload_is_removed_and_the_new_one_kept(world: World) -> None:
    first, second = await upload(world), await upload(world, EPH_YAML + APP + "# more\n")
    await world.deploy("feat-x", upload=first.commit)
    await world.run_for(minutes=2)
    await world.deploy("feat-x", upload=second.commit)
    await settle(world, lambda: uploads(world) == [second.commit])
    assert world.running_commit(world.deploy_key("feat-x")) == second.commit


async def test_an_upload_that_is_never_deployed_is_removed(world: World) -> None:
    made = await upload(world)
    await world.run_for(minutes=14)
    assert uploads(world) == [made.commit]
    await settle(world, lambda: uploads(world) == [])
    with pytest.raises(RequestRefused) as error:
        await world.deploy("feat-x", upload=made.commit)
    assert error.value.reason is RefusalReason.UNKNOWN_VERSION


async def test_an_upload_that_was_removed_can_be_uploaded_again(world: World) -> None:
    """The loop may have tried to read its commit at the Git host meanwhile."""
    made = await upload(world)
    await world.deploy("feat-x", upload=made.commit, ttl=timedelta(minutes=20))
    await settle(world, lambda: uploads(world) == [])
    assert await upload(world) == made
    again = await world.deploy("feat-x", upload=made.commit)
    await world.run_for(minutes=2)
    assert world.deploy_state(again) == "deployed"


async def test_an_upload_belongs_to_the_caller(world: World) -> None:
    made = await upload(world, by="ada")
    for request in ({"upload": made.commit}, {"version": made.commit}):
        with pytest.raises(RequestRefused) as error:
            await world.deploy("feat-x", **request)
        assert error.value.reason is RefusalReason.UNKNOWN_VERSION
    await upload(world, by="bob")
    await world.deploy("feat-x", upload=made.commit)
    await world.run_for(minutes=1)
    assert world.deploys() == {"feat-x"}


async def test_an_upload_of_another_person_cannot_be_deployed_as_a_version(world: World) -> None:
    made = await upload(world, by="bob")
    await world.deploy("feat-x", upload=made.commit)
    await world.run_for(minutes=1)
    await world.deploy("feat-y", version=made.commit)
    from orchestrator.service.deploys.deploy_port import DeployRequest

    with pytest.raises(RequestRefused) as error:
        await world.system.service.deploy(DeployRequest("feat-z", version=made.commit), "ada")
    assert error.value.reason is RefusalReason.UNKNOWN_VERSION


async def test_a_removed_upload_is_no_version_any_more(world: World) -> None:  # M6
    """The stack's history contains its commit, but the Git host doesn't know it."""
    first, second = await upload(world), await upload(world, EPH_YAML + APP + "# more\n")
    await world.deploy("feat-x", upload=first.commit)
    await world.run_for(minutes=2)
    await world.deploy("feat-x", upload=second.commit)
    await settle(world, lambda: uploads(world) == [second.commit])
    with refused(RefusalReason.UNKNOWN_VERSION, f"Built: {second.commit[:12]}\\."):
        await world.deploy("feat-y", version=first.commit)


async def test_an_upload_outlives_a_removal_that_began_before_its_deploy_was_accepted(world: World) -> None:  # M1
    made = await upload(world)
    await world.run_for(minutes=14)
    before = world.now + timedelta(seconds=30)
    deploy = await world.deploy("feat-x", upload=made.commit)
    used: frozenset[tuple[int, str]] = frozenset()
    assert store(world).remove_unused(used, before - KEPT + timedelta(minutes=5)) == []
    await world.run_for(minutes=2)
    assert world.deploy_state(deploy) == "deployed"


async def test_clients_that_stall_do_not_block_the_others(world: World) -> None:  # M1
    never = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"# v2 git bundle\n"
        await never.wait()

    system = world.system
    timeouts = UploadTimeouts(idle=0)
    copies = WorkingCopies(store(world), system.cycles, system.facts.deploys, lambda: world.now, lambda: True, timeouts)
    for _ in range(MAX_CONCURRENT):
        with refused(RefusalReason.UPLOAD_TIMEOUT):
            await copies.receive(world.shop, stalled(), "mallory")
    bundle = one_file(world.folder / "other.bundle", (EPH_YAML + APP).encode())[1].read_bytes()
    assert (await copies.receive(world.shop, complete(bundle), "bob")).commit in uploads(world)
    assert list((world.folder / "uploads" / "incoming").iterdir()) == []


async def test_an_upload_that_never_ends_is_refused(world: World) -> None:  # M1
    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"#"

    system = world.system
    copies = WorkingCopies(
        store(world), system.cycles, system.facts.deploys, lambda: world.now, lambda: True, UploadTimeouts(total=0)
    )
    with refused(RefusalReason.UPLOAD_TIMEOUT):
        await copies.receive(world.shop, endless(), "mallory")


async def test_an_invalid_file_or_none_is_refused(world: World) -> None:
    for text in (BAD_YAML, "x" * 100_000):
        made = await upload(world, text)
        with pytest.raises(RequestRefused) as error:
            await world.deploy("feat-x", upload=made.commit)
        assert error.value.reason is RefusalReason.INVALID_RECIPE


async def test_too_many_uploads_wait_for_their_deploys(world: World) -> None:
    made = [await upload(world, EPH_YAML + APP + f"# {number}\n") for number in range(5)]
    with pytest.raises(RequestRefused) as error:
        await upload(world, EPH_YAML + APP + "# 6\n")
    assert error.value.reason is RefusalReason.TOO_MANY_UPLOADS
    await upload(world, EPH_YAML + APP + "# 6\n", by="ada")
    await world.deploy("feat-x", upload=made[0].commit)
    await upload(world, EPH_YAML + APP + "# 7\n")


async def test_a_cut_or_too_large_upload_leaves_nothing(world: World) -> None:
    with pytest.raises(RequestRefused) as error:
        await upload(world, limit=150)
    assert error.value.reason is RefusalReason.INVALID_UPLOAD
    store(world).max_bytes = 100
    with pytest.raises(RequestRefused, match="upload_mb"):
        await upload(world)
    assert uploads(world) == []
    assert list((world.folder / "uploads" / "incoming").iterdir()) == []


async def test_nothing_is_received_before_the_repositories_are_known(tmp_path: Path) -> None:
    world = World(folder=tmp_path)
    with pytest.raises(TemporarilyUnavailable):
        await upload(world)
    await world.close()


async def test_a_server_without_uploads_says_so(world: World) -> None:
    world.uploads = None
    await world.crash()
    await world.run_for(seconds=0)
    with pytest.raises(RequestRefused, match="--ref"):
        await upload(world)
