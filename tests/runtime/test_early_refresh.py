"""A wake that says what changed makes just that be read early; everything is still read in each interval (L1, L4)."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.model.world import RunningOperation
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.plan_actions import Action
from orchestrator.forges.port import ForgeUnavailable
from orchestrator.runtime.wakeups import Refresh
from stacks import keys
from stacks.model import OperationVerb
from tests.worlds.composition import INTERVAL
from tests.worlds.eph_files import eph_yaml
from tests.worlds.world import World


def take_listed(world: World) -> list[str]:
    """The repositories whose pull requests were listed since the last call."""
    names = sorted(world.forge.listed)
    world.forge.listed.clear()
    return names


def planned(world: World) -> list[type[Action]]:
    plan = world.last_cycle.plan
    assert plan is not None
    return [type(action) for action in plan.changes]


async def test_only_what_changed_is_read_early(world: World) -> None:
    pay = world.forge.create_repository("acme/pay", eph_yaml())
    await world.run_cycle()
    assert take_listed(world) == ["acme/pay", "acme/shop"]
    number = world.open_pull()
    await world.loop.cycle(True, frozenset({keys.pull_request(world.shop.id, number)}))
    assert take_listed(world) == ["acme/shop"]
    assert world.view(number) is not None
    await world.loop.cycle(True, frozenset({pay.id, 4711}))
    assert take_listed(world) == ["acme/pay"]
    assert world.view(number) is not None
    await world.wait_until_idle()


async def test_a_storm_about_one_does_not_starve_the_others(world: World) -> None:
    world.forge.create_repository("acme/pay", eph_yaml())
    await world.run_cycle()
    for _ in range(10):
        world.now += timedelta(seconds=4)
        await world.loop.cycle(True, frozenset({world.shop.id}))
    assert take_listed(world).count("acme/pay") == 1 + 40 // INTERVAL.total_seconds()
    await world.wait_until_idle()


async def test_an_early_look_heals_nothing_that_it_did_not_read(world: World) -> None:
    """Pitfall 3: the listing failed; what a webhook then makes us read says nothing of the other repositories."""
    pay = world.forge.create_repository("acme/pay", eph_yaml())
    await world.run_cycle()
    world.now += INTERVAL
    world.forge.fail_next(ForgeUnavailable("down"), "repositories")
    await world.run_cycle()
    await world.loop.cycle(True, frozenset({world.shop.id}))
    facts = world.last_cycle.forge.facts
    assert (facts[world.shop.id].complete, facts[pay.id].complete) == (True, False)
    await world.wait_until_idle()


async def test_a_visit_is_answered_with_the_last_listing_of_the_targets(world: World) -> None:
    """L1, L9: what was lost meanwhile is found by the next cycle that lists them."""
    number = world.open_pull()
    await world.run_for(minutes=2)
    view = world.view(number)
    assert view is not None
    world.target.lose(f"Service:{view.name}/web")
    await world.loop.cycle(False, targets=False)
    assert planned(world) == []
    await world.loop.cycle(False)
    assert planned(world) == [plan_actions.Update]
    await world.wait_until_idle()


async def test_operations_of_another_replica_make_every_cycle_list_the_targets(world: World) -> None:
    """O2: their ends don't wake this replica, so an older listing could lack what they created."""
    number = world.open_pull()
    await world.run_for(minutes=2)
    view = world.view(number)
    assert view is not None
    remote = {view.ref: RunningOperation(view.ref, OperationVerb.UP, "", world.now, name=view.name)}
    observer = world.loop._dependencies.observer
    await observer.observe(lambda: world.now, Refresh(), remote)
    world.target.lose(f"Service:{view.name}/web")
    seen = await observer.observe(lambda: world.now, Refresh(targets=False))
    assert f"{view.name}/web" not in seen.live_parts["local"]["Service"]
