"""When an environment expires, and what postpones that (L5, Y4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.views.phases import Phase
from stacks import keys
from tests.worlds.plan.pull_requests import START, sha
from tests.worlds.plan.simulation import Simulation


def test_time_runs_from_the_newest_commit_and_the_mark_comes_first(live_world: Simulation) -> None:  # L5, pitfall 10
    live_world.can_remove_labels = False
    live_world.advance(hours=71)
    live_world.push(42, "bbbbbbb")
    live_world.run_cycle(2)
    live_world.advance(hours=71)
    assert isinstance(live_world.action(42), plan_actions.Keep)
    live_world.advance(hours=2)
    expire = live_world.action(42)
    assert isinstance(expire, plan_actions.Expire)
    assert expire.commit == sha("bbbbbbb")
    live_world.start(live_world.plan())
    assert isinstance(live_world.action(42), plan_actions.Destroy)
    live_world.run_cycle()
    assert isinstance(live_world.action(42), plan_actions.Unlabel)
    live_world.run_cycle()
    assert isinstance(live_world.action(42), plan_actions.Refuse), "never again for this commit"
    assert live_world.plan().changes == (), "a label that we may not take off is not tried for ever"
    assert live_world.view(42).phase is Phase.EXPIRED
    live_world.push(42, "ccccccc")
    assert isinstance(live_world.action(42), plan_actions.Create), "a push starts it afresh"


def test_the_label_goes_when_all_is_gone_and_comes_back_as_a_wish(live_world: Simulation) -> None:  # L5
    live_world.advance(hours=73)
    live_world.run_cycle(3)
    assert live_world.ref(42) not in live_world.stacks
    assert live_world.pulls[keys.pull_request(1, 42)].labels == frozenset()
    assert live_world.plan().changes == ()
    live_world.label(42)
    assert isinstance(live_world.action(42), plan_actions.Revive)
    live_world.run_cycle(2)
    assert live_world.ref(42) in live_world.stacks
    live_world.advance(hours=71)
    assert isinstance(live_world.action(42), plan_actions.Keep), "one life of the usual length"


def test_trying_again_revives_what_expired(live_world: Simulation) -> None:  # L5
    live_world.advance(hours=73)
    live_world.run_cycle(2)
    live_world.request_action("retry", 42)
    live_world.run_cycle(2)
    assert live_world.ref(42) in live_world.stacks
    assert live_world.plan().changes == ()
    live_world.advance(hours=73)
    assert isinstance(live_world.action(42), plan_actions.Destroy), "for one life more"


def test_an_extension_counts_but_never_beyond_the_servers_most(live_world: Simulation) -> None:  # L5
    live_world.request_action("extend", 42, live_world.now + timedelta(days=400))
    retag = live_world.action(42)
    assert isinstance(retag, plan_actions.Retag)
    assert retag.tag.extended_until == live_world.now + timedelta(days=30)
    live_world.run_cycle()
    live_world.advance(days=29)
    assert isinstance(live_world.action(42), plan_actions.Keep)
    live_world.advance(days=2)
    assert isinstance(live_world.action(42), plan_actions.Expire)


def test_keep_stops_expiry(live_world: Simulation) -> None:  # L5
    tag = live_world.stacks[live_world.ref(42)].tag
    assert tag is not None
    live_world.edit_record(42, tag=replace(tag, keep=True))
    live_world.advance(days=300)
    assert isinstance(live_world.action(42), plan_actions.Keep)
    live_world.marks[keys.pull_request(1, 42), sha("aaaaaaa")] = None
    assert isinstance(live_world.action(42), plan_actions.Keep), "a mark of before it was kept counts no more"


def test_a_restart_does_not_start_the_clock_anew(live_world: Simulation) -> None:  # L2, L5
    live_world.advance(hours=71)
    live_world.change(42, seen=live_world.now)
    live_world.advance(hours=2)
    assert isinstance(live_world.action(42), plan_actions.Expire), "the tag knows when the commit was first seen"


def test_a_first_sight_of_an_older_commit_says_nothing_of_the_head(live_world: Simulation) -> None:  # L5
    live_world.push(42, "bbbbbbb")
    live_world.advance(hours=1)
    facts = replace(live_world.world(), first_seen={keys.pull_request(1, 42): (sha("aaaaaaa"), START)})
    update = next(
        a for a in plans.plan(facts, live_world.policy, live_world.now).actions if isinstance(a, plan_actions.Update)
    )
    assert update.tag is not None
    assert update.tag.seen == live_world.now


def test_the_server_bounds_the_time_that_eph_yaml_asks_for(live_world: Simulation) -> None:  # Y4
    live_world.change(42, recipe={"ttl": timedelta(days=400)})
    live_world.advance(days=31)
    assert isinstance(live_world.action(42), plan_actions.Expire)


def test_one_that_is_refused_or_waits_can_still_be_extended(live_world: Simulation) -> None:  # L5
    live_world.push(42, "bbbbbbb")
    live_world.request_action("extend", 42, live_world.now + timedelta(hours=100))
    assert isinstance(live_world.action(42), plan_actions.Retag), "while it waits for pushes to end"
    live_world.change(42, problems=("eph.yaml:1: wrong",))
    assert isinstance(live_world.action(42), plan_actions.Retag), "while its new eph.yaml is wrong"
