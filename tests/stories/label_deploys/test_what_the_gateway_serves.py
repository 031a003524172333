"""What ephd's states let the gateway serve of a label deploy: until when, and to whom. Rows: M2, M3, M5."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.gateway.route_directory import PreviewState, RouteDirectory
from orchestrator.service.reports.notifier import GatewayStatesFile
from stacks import keys
from stacks.model import OperationVerb, RefKind
from tests.stories.label_deploys.conftest import APP
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World

HOST, APP_HOST = "feat-x.shop.localhost", "shop.localhost"
PROTECTION = "environment: {protection: {sign_in: required}}\n"
MAIN = "triggers:\n  - type: branch\n    branches: [main]\n"


@pytest.fixture
def directory(world: World, tmp_path: Path) -> RouteDirectory:
    world.listeners.append(GatewayStatesFile(tmp_path).on_cycle)
    return RouteDirectory(tmp_path)


def state(directory: RouteDirectory, host: str = HOST) -> PreviewState:
    found = directory.state(host)
    assert found is not None
    return found


def is_served(world: World, directory: RouteDirectory) -> bool:
    return state(directory).expires_at > world.now.timestamp()


async def test_an_expired_commit_does_not_return_with_the_next_deploy(world: World, directory: RouteDirectory) -> None:
    """M5: it couldn't be destroyed, and then its label was deployed again. The new commit is served once it is live."""
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    key = world.deploy_key("feat-x")
    assert is_served(world, directory)
    world.stacks.fail(world.ref(key), "the disk is full", times=99, verb=OperationVerb.DESTROY)
    await world.run_for(minutes=2)
    assert not is_served(world, directory)
    world.stacks.clear_failure(world.ref(key))
    newer = world.branch("feat", {"text": "2"})
    ref = world.hold(key)
    again = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    assert (world.phase(key), is_served(world, directory)) == (Phase.UPDATING, False)
    world.release(ref)
    await world.run_for(minutes=1)
    assert (world.running_commit(key), state(directory).expires_at) == (newer, again.expires_at.timestamp())


async def test_after_a_failed_replacement_an_expired_commit_stays_expired(
    world: World, directory: RouteDirectory
) -> None:  # M3 M5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    key = world.deploy_key("feat-x")
    world.stacks.fail(world.ref(key), "the disk is full", times=99, verb=OperationVerb.DESTROY)
    await world.run_for(minutes=2)
    world.stacks.clear_failure(world.ref(key))
    world.stacks.fail(world.ref(key), "npm failed", verb=OperationVerb.UP)
    world.branch("feat", {"text": "broken"})
    served = []
    world.listeners.append(lambda _: served.append(directory.state(HOST) and is_served(world, directory)))
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=2)
    assert served
    assert not any(served)
    assert world.deploys() == set()


async def test_a_live_commit_is_served_until_its_own_end_while_it_is_replaced(
    world: World, directory: RouteDirectory
) -> None:  # M3 M5
    first = await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=30)
    world.branch("feat", {"text": "2"})
    world.hold(world.deploy_key("feat-x"))
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=5))
    await world.run_for(minutes=1)
    assert state(directory).expires_at == first.expires_at.timestamp()
    await world.run_for(minutes=30)
    assert not is_served(world, directory)


async def test_an_extension_counts_at_once(world: World, directory: RouteDirectory) -> None:  # L5
    await world.deploy("feat-x", "feat", ttl=timedelta(hours=1))
    await world.run_for(minutes=59)
    await world.system.service.extend(str(world.ref(world.deploy_key("feat-x"))), 7200, "bob")
    await world.run_for(minutes=5)
    assert is_served(world, directory)


async def test_a_new_active_version_protects_its_deploys_before_it_is_live(
    world: World, directory: RouteDirectory
) -> None:  # M2
    world.sign_in_available = True
    await world.crash()
    await world.run_for(seconds=0)
    await world.deploy("feat-x", "feat")
    world.branch("main", {"eph.yaml": EPH_YAML + APP + MAIN + PROTECTION})
    world.hold(keys.ref(world.shop.id, RefKind.BRANCH, "main"))
    await world.run_for(minutes=1)
    found = state(directory, APP_HOST)
    assert (found.phase, found.sign_in) == (Phase.CREATING, True)


async def test_an_active_version_that_is_refused_has_an_unknown_rule(world: World, directory: RouteDirectory) -> None:
    """M2: it was never live, so only its branch is known, and the gateway asks for sign-in until it can be read."""
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.branch("main", {"eph.yaml": EPH_YAML + APP + MAIN + PROTECTION})  # this server has no sign-in
    await world.run_for(minutes=1)
    found = state(directory, APP_HOST)
    assert (found.phase, found.sign_in) == (Phase.REFUSED, None)


async def test_without_an_active_version_the_deploys_own_rule_counts(world: World, directory: RouteDirectory) -> None:
    """M2: no trigger selects the app's branch."""
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    assert (directory.state(APP_HOST), state(directory).sign_in) == (None, False)
