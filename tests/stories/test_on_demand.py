"""Label deploys of which nothing runs before the first request. Rows: M1, M3, M4. Pitfall 3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import TrafficSnapshot
from orchestrator.core.views.phases import Phase
from stacks.model import Key, OperationVerb, StackTag
from tests.worlds.eph_files import EPH_YAML
from tests.worlds.world import World

APP = "app: {route: shop.localhost, branch: main}\n"
HOST = "feat-x.shop.localhost"
IDLE = timedelta(minutes=15)


class OnDemandWorld(World):
    @property
    def key(self) -> Key:
        return self.deploy_key("feat-x")

    @property
    def tag(self) -> StackTag:
        record = self.stack(self.key)
        assert record is not None
        assert record.tag is not None
        return record.tag

    def observe_traffic(self, *, request: bool = False, last: int = 0) -> None:
        """The gateway's file: ``request`` came just now and found it asleep."""
        wakes = {HOST: self.now} if request else {}
        self.traffic.snapshot = TrafficSnapshot(self.now, {HOST: self.now - timedelta(minutes=last)}, wakes)

    def verbs(self) -> list[OperationVerb]:
        return [each.verb for each in self.stacks.started if each.ref == self.ref(self.key)]


@pytest.fixture
async def world() -> AsyncIterator[OnDemandWorld]:
    made = OnDemandWorld(Policy(on_demand_targets=frozenset({"local"}), on_demand_idle=IDLE))
    made.branch("main", {"eph.yaml": EPH_YAML + APP})
    made.branch("feat")
    await made.run_for(seconds=0)
    yield made
    await made.close()


async def test_nothing_runs_until_the_first_request_and_idle_stops_it(world: OnDemandWorld) -> None:  # M4
    deploy = await world.deploy("feat-x", "feat")
    await world.run_for(minutes=50)
    assert (world.deploy_state(deploy), world.phase(world.key)) == ("deployed", Phase.ASLEEP)
    (built,) = (each for each in world.stacks.started if each.ref == world.ref(world.key))
    assert built.spec is not None
    assert built.spec.asleep
    world.observe_traffic(request=True)
    await world.run_for(minutes=1)
    assert (world.verbs(), world.phase(world.key)) == ([OperationVerb.UP, OperationVerb.WAKE], Phase.READY)
    await world.run_for(minutes=30)
    world.observe_traffic(last=31)
    await world.run_for(minutes=1)
    assert (world.verbs()[2:], world.phase(world.key)) == ([OperationVerb.SLEEP], Phase.ASLEEP)


async def test_a_clock_that_was_ahead_does_not_keep_it_asleep(world: OnDemandWorld) -> None:  # M4, L2
    """It fell asleep while the clock was ahead; since the correction, every request is older than that."""
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.set_back(minutes=34)
    assert world.tag.asleep is not None
    assert world.tag.asleep > world.now
    world.observe_traffic(last=2)
    await world.run_for(minutes=1)
    assert (world.verbs(), world.phase(world.key)) == ([OperationVerb.UP], Phase.ASLEEP)
    world.observe_traffic(request=True)
    await world.run_for(minutes=1)
    assert (world.verbs(), world.phase(world.key)) == ([OperationVerb.UP, OperationVerb.WAKE], Phase.READY)


async def test_pull_requests_start_at_once(world: OnDemandWorld) -> None:  # L5
    number = world.open_pull()
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


@pytest.mark.parametrize("crashes", [0, 1, 3])
async def test_a_request_starts_it_once_whenever_ephd_is_killed(world: OnDemandWorld, crashes: int) -> None:  # M4, L2
    """The request is in the gateway's file, so a new process finds it. The lane allows one start at a time."""
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    ref = world.hold(world.key)
    world.observe_traffic(request=True)
    for _ in range(crashes):
        await world.run_for(seconds=2)
        await world.crash()
        world.hold(world.key)
    await world.run_for(seconds=2)
    assert len(world.executor.running) == 1
    assert world.verbs() == [OperationVerb.UP, *[OperationVerb.WAKE] * (crashes + 1)]
    world.release(ref)
    await world.run_for(minutes=2)
    assert (world.phase(world.key), world.tag.asleep, world.tag.half) == (Phase.READY, None, False)


async def test_a_kill_while_it_is_created_starts_nothing(world: OnDemandWorld) -> None:  # M4, L2
    ref = world.hold(world.key)
    await world.deploy("feat-x", "feat")
    await world.run_for(seconds=5)
    await world.crash()
    world.release(ref)
    await world.run_for(minutes=3)
    assert (world.phase(world.key), world.deploys()) == (Phase.ASLEEP, {"feat-x"})
    assert all(each.spec.asleep for each in world.stacks.started if each.spec)


async def test_a_failed_start_is_tried_again_by_a_later_request(world: OnDemandWorld) -> None:  # M4
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.stacks.fail(world.ref(world.key), "service web ended 3 times", times=1, verb=OperationVerb.WAKE)
    world.observe_traffic(request=True)
    await world.run_for(seconds=1)
    view = world.view(world.key)
    assert view is not None
    assert view.phase in (Phase.FAILED, Phase.STALLED)
    assert view.failure is not None
    assert "ended 3 times" in view.failure.error
    await world.run_for(minutes=2)
    world.observe_traffic(request=True)
    await world.run_for(minutes=1)
    assert world.phase(world.key) is Phase.READY


async def test_a_replacement_of_a_sleeping_deploy_starts_nothing(world: OnDemandWorld) -> None:  # M3, M4
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    newer = world.branch("feat", {"text": "2"})
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    assert (world.phase(world.key), world.running_commit(world.key)) == (Phase.ASLEEP, newer)
    assert OperationVerb.WAKE not in world.verbs()
    assert world.tag.commit == newer


async def test_a_replacement_of_a_running_deploy_keeps_it_running(world: OnDemandWorld) -> None:  # M3
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    world.observe_traffic(request=True)
    await world.run_for(minutes=1)
    newer = world.branch("feat", {"text": "2"})
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    assert (world.phase(world.key), world.running_commit(world.key)) == (Phase.READY, newer)


async def test_a_request_during_a_replacement_starts_the_new_version(world: OnDemandWorld) -> None:  # M3, M4
    await world.deploy("feat-x", "feat")
    await world.run_for(minutes=1)
    newer = world.branch("feat", {"text": "2"})
    ref = world.hold(world.key)
    await world.deploy("feat-x", "feat")
    await world.run_for(seconds=5)
    world.observe_traffic(request=True)
    await world.run_for(seconds=5)
    world.release(ref)
    await world.run_for(minutes=1)
    assert (world.phase(world.key), world.running_commit(world.key)) == (Phase.READY, newer)


async def test_office_hours_and_on_idle_do_not_start_or_end_it(world: OnDemandWorld) -> None:  # M4, M5, C1
    text = "environment:\n  schedule: {timezone: UTC, awake: [Mon-Sun 13:00-18:00]}\n  on_idle: destroy\n"
    world.branch("feat", {"eph.yaml": EPH_YAML + APP + text})
    await world.deploy("feat-x", "feat")
    for _ in range(6):
        world.observe_traffic(last=600)
        await world.run_for(minutes=20)
    assert world.phase(world.key) is Phase.ASLEEP
    assert world.verbs() == [OperationVerb.UP]
