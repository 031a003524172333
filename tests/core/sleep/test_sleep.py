"""Falling asleep and waking up as the plan decides it: L5 (slept when idle, woken on request, a push wakes), C1
(`schedule`, idle), P8 (`wake`), P5 (`sleep`, `wake`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import TrafficSnapshot
from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.planning.reason_codes import SleepCode, UnwantedCode
from orchestrator.core.sleep import schedules
from orchestrator.core.views.phases import Phase
from stacks.model import OperationVerb, StackTag
from tests.worlds.plan.simulation import Simulation

IDLE = timedelta(hours=2)
OFFICE = schedules.parse("Europe/Berlin", ("Mon-Fri 08:00-19:00",))
MONDAY_EVENING = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)  # 19:30 there


def live_world(policy: Policy | None = None, **recipe: object) -> Simulation:
    world = Simulation(policy or Policy(debounce=timedelta(seconds=2), program_versions={"local": "1"}))
    world.open_pull(42, recipe=recipe)
    world.run_cycle()
    world.report_health(42)
    world.record_traffic()
    return world


def tag_of(world: Simulation) -> StackTag:
    found = world.stacks[world.ref(42)].tag
    assert found is not None
    return found


def put_to_sleep(world: Simulation) -> Simulation:
    world.request_action("sleep", 42)
    world.run_cycle()
    assert tag_of(world).asleep
    world.record_traffic()
    return world


def pass_idle_time(world: Simulation) -> plan_actions.Action:
    world.advance(hours=2, minutes=1)
    world.record_traffic()
    return world.action(42)


# --- idle


def test_idle_environment_sleeps_and_a_request_wakes_it() -> None:
    world = live_world(idle_timeout=IDLE)
    world.advance(hours=1)
    world.visit(42)
    world.advance(hours=1, minutes=30)
    world.record_traffic()
    assert isinstance(world.action(42), plan_actions.Keep), "it was used half an hour ago and more, not two hours ago"
    sleep = pass_idle_time(world)
    assert isinstance(sleep, plan_actions.Sleep)
    assert sleep.code is SleepCode.IDLE
    world.run_cycle()
    assert (world.view(42).phase, tag_of(world).half) == (Phase.ASLEEP, False)
    for _ in range(3):
        world.run_cycle(seconds=3600)
        assert world.view(42).phase is Phase.ASLEEP
    world.visit(42, knock=True)
    wake = world.action(42)
    assert isinstance(wake, plan_actions.Wake)
    assert wake.tag.asleep is None
    world.run_cycle()
    assert world.view(42).phase is not Phase.ASLEEP
    assert isinstance(world.action(42), plan_actions.Keep)


def test_the_server_may_say_what_eph_yaml_does_not() -> None:
    policy = Policy(idle_timeout=IDLE, program_versions={"local": "1"})
    assert isinstance(pass_idle_time(live_world(policy)), plan_actions.Sleep)
    assert isinstance(pass_idle_time(live_world(policy, idle_timeout=timedelta(hours=9))), plan_actions.Keep)
    assert isinstance(pass_idle_time(live_world()), plan_actions.Keep), "nobody says anything"


def test_without_traffic_data_nothing_is_idle() -> None:
    """A gateway that is dead, a disk that is full, a file that was lost: late, never early."""
    blind = live_world(idle_timeout=IDLE)
    blind.traffic = None
    blind.advance(hours=9)
    assert isinstance(blind.action(42), plan_actions.Keep)
    dead = live_world(idle_timeout=IDLE)
    dead.advance(hours=9)  # its last word is nine hours old
    assert isinstance(dead.action(42), plan_actions.Keep)
    lost = live_world(idle_timeout=IDLE)
    lost.advance(hours=9)
    lost.traffic = None
    lost.record_traffic()
    lost.advance(hours=1)
    lost.record_traffic()
    assert isinstance(lost.action(42), plan_actions.Keep), "all that it knew was lost an hour ago"
    beside = live_world(idle_timeout=IDLE)
    beside.advance(hours=9)
    beside.traffic = TrafficSnapshot(beside.now, {"another.localhost": beside.now})
    assert isinstance(beside.action(42), plan_actions.Keep), "people reach it by another way"


def test_a_suite_that_runs_keeps_it_awake() -> None:
    world = live_world(idle_timeout=IDLE)
    world.running_suites.add(world.ref(42))
    assert isinstance(pass_idle_time(world), plan_actions.Keep)
    world.running_suites.clear()
    assert isinstance(world.action(42), plan_actions.Sleep)


def test_a_target_that_cannot_sleep_is_left_alone() -> None:
    policy = Policy(sleep_capable_targets=frozenset(), program_versions={"local": "1"})
    assert isinstance(pass_idle_time(live_world(policy, idle_timeout=IDLE)), plan_actions.Keep)


def test_what_is_broken_because_it_sleeps_is_not_broken() -> None:
    """L9: neither drift nor readiness takes it for lost, nor does housekeeping wake it."""
    world = put_to_sleep(live_world())
    world.report_health(42, ok=False, ago=timedelta(hours=1))
    world.edit_record(42, resource_names={"Service:x/web/1": "service-web"})
    seen = replace(world.world(), live_parts={"local": {"Service": frozenset()}})
    assert [type(action) for action in plans.plan(seen, world.policy, world.now).actions] == [plan_actions.Keep]
    world.policy = replace(world.policy, program_versions={"local": "2"})
    assert isinstance(world.action(42), plan_actions.Keep)
    assert world.view(42).phase is Phase.ASLEEP
    world.request_action("wake", 42)
    world.run_cycle()
    assert isinstance(world.action(42), plan_actions.Update), "now it is brought up to date"


# --- people


def test_people_put_it_to_sleep_and_wake_it() -> None:
    world = live_world()
    world.request_action("sleep", 42)
    sleep = world.action(42)
    assert isinstance(sleep, plan_actions.Sleep)
    assert sleep.code is SleepCode.REQUESTED
    world.run_cycle()
    assert isinstance(world.action(42), plan_actions.Keep)
    world.request_action("wake", 42)
    wake = world.action(42)
    assert isinstance(wake, plan_actions.Wake)
    assert wake.code is SleepCode.REQUESTED
    world.run_cycle()
    assert tag_of(world).awake_until == world.now.replace(microsecond=0) - timedelta(seconds=30) + timedelta(hours=1)


def test_a_wish_to_try_again_wakes_it() -> None:
    world = put_to_sleep(live_world())
    world.advance(seconds=5)
    world.request_action("retry", 42)
    assert isinstance(world.action(42), plan_actions.Wake)


def test_who_wakes_what_is_awake_keeps_it_so() -> None:
    world = live_world(idle_timeout=timedelta(minutes=30))
    world.advance(minutes=20)
    world.request_action("wake", 42)
    retag = world.action(42)
    assert isinstance(retag, plan_actions.Retag)
    world.run_cycle()
    world.advance(minutes=20)
    world.record_traffic()
    assert isinstance(world.action(42), plan_actions.Keep)


def test_a_push_wakes_and_extensions_do_not() -> None:
    world = put_to_sleep(live_world())
    world.request_action("extend", 42, world.now + timedelta(days=9))
    retag = world.action(42)
    assert isinstance(retag, plan_actions.Retag)
    assert retag.tag.asleep == tag_of(world).asleep
    world.run_cycle()
    world.push(42, "bbbbbbb")
    world.advance(seconds=5)
    update = world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert update.tag is not None
    assert update.tag.asleep is None


def test_a_broken_eph_yaml_does_not_lock_people_out() -> None:
    world = put_to_sleep(live_world())
    world.push(42, "bbbbbbb")
    world.change(42, problems=("eph.yaml:1: no",))
    world.advance(seconds=5)
    assert isinstance(world.action(42), plan_actions.Refuse)
    world.visit(42, knock=True)
    assert isinstance(world.action(42), plan_actions.Wake)


# --- office hours


def test_outside_of_its_hours_it_sleeps_and_it_is_awake_at_their_start() -> None:
    world = live_world(schedule=OFFICE)
    world.now = MONDAY_EVENING - timedelta(hours=1)
    assert isinstance(world.action(42), plan_actions.Keep)
    world.now = MONDAY_EVENING
    sleep = world.action(42)
    assert isinstance(sleep, plan_actions.Sleep)
    assert sleep.code is SleepCode.SCHEDULE
    world.run_cycle()
    assert world.view(42).wakes_at == datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
    world.now = datetime(2026, 3, 3, 6, 59, tzinfo=UTC)
    assert isinstance(world.action(42), plan_actions.Keep)
    world.now = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
    assert isinstance(world.action(42), plan_actions.Wake)


def test_somebody_who_uses_it_at_the_end_of_its_hours_is_not_cut_off() -> None:
    world = live_world(schedule=OFFICE)
    world.now = MONDAY_EVENING - timedelta(minutes=5)
    world.visit(42)
    world.now = MONDAY_EVENING
    assert isinstance(world.action(42), plan_actions.Keep)
    world.advance(minutes=6)
    assert isinstance(world.action(42), plan_actions.Sleep)


@pytest.mark.parametrize("how", ["wake", "knock"])
def test_who_wakes_it_outside_of_its_hours_has_it_for_a_bounded_time(how: str) -> None:
    world = live_world(schedule=OFFICE, idle_timeout=timedelta(days=2))
    world.now = MONDAY_EVENING
    world.run_cycle()
    world.advance(hours=2)
    if how == "wake":
        world.request_action("wake", 42)
    else:
        world.visit(42, knock=True)
    assert isinstance(world.action(42), plan_actions.Wake)
    world.run_cycle()
    world.advance(minutes=55)
    assert isinstance(world.action(42), plan_actions.Keep)
    world.advance(minutes=10)
    assert isinstance(world.action(42), plan_actions.Sleep)


def test_the_start_of_the_hours_counts_as_use() -> None:
    world = live_world(schedule=OFFICE, idle_timeout=IDLE)
    world.now = MONDAY_EVENING
    world.run_cycle()
    world.now = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
    world.run_cycle()
    world.now = datetime(2026, 3, 3, 8, 59, tzinfo=UTC)
    world.record_traffic()
    assert isinstance(world.action(42), plan_actions.Keep)
    world.advance(minutes=2)
    world.record_traffic()
    assert isinstance(world.action(42), plan_actions.Sleep)


# --- destroyed when idle


def test_on_idle_destroy_ends_it_by_a_mark_with_its_words_and_the_label_brings_it_back() -> None:
    world = live_world(idle_timeout=IDLE, destroy_when_idle=True)
    expire = pass_idle_time(world)
    assert isinstance(expire, plan_actions.Expire)
    world.run_cycle()
    destroy = world.action(42)
    assert isinstance(destroy, plan_actions.Destroy)
    assert destroy.code is UnwantedCode.UNUSED
    assert destroy.reason == expire.reason, "read back from the commit status"
    world.run_cycle(2)
    assert world.ref(42) not in world.stacks
    world.label(42)
    world.run_cycle(3)
    assert world.ref(42) in world.stacks, "its label is there again"


def test_what_is_kept_sleeps_where_others_end() -> None:
    world = live_world(idle_timeout=IDLE, destroy_when_idle=True)
    world.request_action("keep", 42)
    world.run_cycle()
    assert isinstance(pass_idle_time(world), plan_actions.Sleep)


# --- crashes and failures


@pytest.mark.parametrize("wish", ["sleep", "wake"])
def test_interrupted_sleep_or_wake_is_completed_or_reverted(wish: str) -> None:
    """L2: killed after the tag said that it sleeps; the next life knows no wish, and converges all the same."""
    world = live_world() if wish == "sleep" else put_to_sleep(live_world())
    world.advance(seconds=5)
    world.request_action(wish, 42)
    world.start(world.plan())
    assert tag_of(world).half
    world.crash()
    world.intents.clear()
    again = world.action(42)
    assert isinstance(again, plan_actions.Sleep)
    assert again.tag.asleep == tag_of(world).asleep, "it sleeps since then"
    world.advance(seconds=1)
    world.visit(42, knock=True)
    assert isinstance(world.action(42), plan_actions.Wake), "whoever comes meanwhile counts more"
    world.run_cycle(2)
    assert (tag_of(world).asleep, tag_of(world).half) == (None, False)


def test_a_start_that_fails_is_told_and_tried_again_later() -> None:
    world = put_to_sleep(live_world())
    world.stuck.add(world.ref(42))
    world.advance(seconds=5)
    world.visit(42, knock=True)
    world.run_cycle(seconds=1)
    wait = world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    assert wait.waiting_for is plan_actions.WaitingFor.BACKOFF
    view = world.view(42)
    assert view.phase is Phase.FAILED
    assert view.failure is not None
    assert view.failure.error == "service web ended 3 times"
    world.stuck.clear()
    world.advance(minutes=1)
    assert isinstance(world.action(42), plan_actions.Wake)
    world.run_cycle()
    assert tag_of(world).asleep is None


def test_stale_wake_request_is_ignored() -> None:
    world = put_to_sleep(live_world())
    world.advance(seconds=5)
    world.visit(42, knock=True)
    world.advance(hours=2)
    assert isinstance(world.action(42), plan_actions.Keep)


def test_request_before_sleep_in_the_same_second_does_not_wake_it() -> None:
    world = put_to_sleep(live_world())
    world.advance(seconds=5.1)
    world.visit(42, knock=True)
    world.run_cycle(seconds=0.3)
    assert tag_of(world).asleep is None
    world.report_health(42)
    world.request_action("sleep", 42)
    world.run_cycle(seconds=0.3)
    assert tag_of(world).asleep
    assert isinstance(world.action(42), plan_actions.Keep)


def test_many_that_wake_do_not_wait_behind_those_that_are_made() -> None:
    world = put_to_sleep(live_world(Policy(max_concurrent=1, program_versions={"local": "1"})))
    world.open_pull(43)
    world.start(world.plan())
    assert [job.running.verb for job in world.jobs.values()] == [OperationVerb.UP]
    world.advance(seconds=5)
    world.visit(42, knock=True)
    assert isinstance(world.action(42), plan_actions.Wake)


def test_a_close_ends_a_waking_early() -> None:
    world = put_to_sleep(live_world())
    world.request_action("wake", 42)
    world.start(world.plan())
    assert world.view(42).phase is Phase.STARTING
    world.unlabel(42)
    assert isinstance(world.action(42), plan_actions.Interrupt)
