"""What is done to an environment that exists: updates, interruptions, healing, time, and what is held (L5, L6, L8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core import actions, plans, subjects
from orchestrator.core.model import Key, PullState, Running, World
from orchestrator.core.phases import Phase
from orchestrator.core.policy import Policy
from stacks import names
from stacks.model import Lock, StackRecord, StackRef, StackSnapshot, Verb

from .pulls import START, sha
from .worlds import FOREIGN, Simulation


@pytest.fixture
def live() -> Simulation:
    world = Simulation(Policy(debounce=timedelta(seconds=2), program_versions={"local": "1"}))
    world.open(42)
    world.cycle()
    world.answer(42)
    return world


def lock(dead: bool) -> Lock:
    return Lock("1", 77, "node-a", "eph", START, owner_dead=dead)


def test_a_push_updates_in_place_once_pushes_end(live: Simulation) -> None:  # L5, L6
    live.push(42, "bbbbbbb")
    wait = live.action(42)
    assert isinstance(wait, actions.Wait)
    assert (wait.because, wait.until) == (actions.Because.SETTLE, live.now + timedelta(seconds=2))
    live.pass_(seconds=2)
    update = live.action(42)
    assert isinstance(update, actions.Update)
    assert update.reason == "aaaaaaa runs, bbbbbbb is wanted"
    assert update.tag is not None
    assert (update.tag.commit, update.tag.seen, update.ref) == (
        sha("bbbbbbb"),
        live.now - timedelta(seconds=2),
        live.ref(42),
    )


def test_a_storm_of_pushes_delays_its_update_five_debounces_at_most(live: Simulation) -> None:  # L6
    for second in range(12):
        live.push(42, f"b{second:06}")
        if isinstance(live.action(42), actions.Update):
            break
        live.pass_(seconds=1)
    assert second == 10


def test_the_first_make_does_not_wait_for_more_pushes(live: Simulation) -> None:  # L5
    live.open(43)
    assert isinstance(live.action(43), actions.Create)


@pytest.mark.parametrize("part", ["spec", "program"])
def test_what_would_be_built_otherwise_is_built_anew(live: Simulation, part: str) -> None:  # L1
    built = live.stacks[live.ref(42)].built
    assert built is not None
    live.edit(42, built=replace(built, **({"spec_digest": "0"} if part == "spec" else {"program_version": "0"})))
    update = live.action(42)
    assert isinstance(update, actions.Update)
    assert update.tag is None, "the tag says the same as before"


@pytest.mark.parametrize(
    ("facts", "refresh", "words"),
    [
        ({"pending": 2}, True, "2 resources left half-done"),
        ({"locks": (lock(dead=True),)}, True, "owner is proven dead"),
        ({"tag": None}, False, "its making was not finished"),
        ({"built": None}, False, "its making was not finished"),
    ],
)
def test_what_broke_off_is_completed(live: Simulation, facts: dict[str, object], refresh: bool, words: str) -> None:
    """L8."""
    live.edit(42, **facts)
    update = live.action(42)
    assert isinstance(update, actions.Update)
    assert update.refresh is refresh
    assert words in update.reason
    live.cycle()
    assert isinstance(live.action(42), actions.Update | actions.Keep)


def test_what_broke_off_and_is_not_wanted_is_destroyed(live: Simulation) -> None:  # L8
    live.edit(42, tag=None, built=None, pending=1, locks=(lock(dead=True),))
    live.change(42, labels=frozenset())
    destroy = live.action(42)
    assert isinstance(destroy, actions.Destroy)
    assert destroy.name == "", "nothing tells its name: it goes by its state, and targets show what else is there"
    live.edit(42, called="shop-of-old-42")
    destroy = live.action(42)
    assert isinstance(destroy, actions.Destroy)
    assert destroy.name == "shop-of-old-42", "its resources do"


def test_a_close_before_the_stack_is_there_does_not_lose_the_name() -> None:  # P2
    """Found by ``make chaos``: what was shown under that name (a deployment in progress) could not be taken back."""
    ref = names.stack_ref(1, "acme/shop", 42)
    running = Running(ref, Verb.UP, sha("aaaaaaa"), START, name="shop-gentle-stream-42")
    [subject] = subjects.of(World({}, StackSnapshot(), running={ref: running}))
    assert subject.name == "shop-gentle-stream-42"


def test_a_lost_tag_moves_no_environment_to_another_name(live: Simulation) -> None:  # L2, Y3
    live.edit(42, tag=None, called="shop-of-old-42")
    update = live.action(42)
    assert isinstance(update, actions.Update)
    assert (update.spec.name, update.tag and update.tag.name) == ("shop-of-old-42", "shop-of-old-42")


@pytest.mark.parametrize(
    ("facts", "words", "command"),
    [
        ({"locks": (lock(dead=False),)}, "process 77 of eph on node-a", "pulumi cancel --yes --stack organization/"),
        ({"locks": (replace(lock(dead=False), pid=0),)}, "cannot be read", "pulumi cancel --yes --stack organization/"),
        ({"unreadable": "cut after 4 KB"}, "cut after 4 KB", "pulumi stack export --stack organization/"),
    ],
)
def test_what_cannot_be_judged_is_held_and_shown_first(
    live: Simulation, facts: dict[str, object], words: str, command: str
) -> None:
    """L8, L2."""
    live.open(1)
    live.edit(42, **facts)
    live.change(42, state=PullState.CLOSED)
    hold = live.plan().actions[0]
    assert isinstance(hold, actions.Hold)
    assert words in hold.reason
    assert hold.command.startswith(command)
    assert live.view(42).phase is Phase.HELD
    assert isinstance(live.action(1), actions.Create), "one broken environment stops nobody else"


def test_a_second_stack_for_one_pull_request_is_held(live: Simulation) -> None:  # Y3
    other = StackRef("eph-store-1", "pr-42")
    live.stacks[other] = StackRecord(other)
    held = [action for action in live.plan().actions if action.ref == other]
    assert isinstance(held[0], actions.Hold)
    assert str(live.ref(42)) in held[0].reason


def test_a_newer_commit_ends_a_running_update(live: Simulation) -> None:  # L6
    live.push(42, "bbbbbbb")
    live.pass_(seconds=5)
    live.start(live.plan())
    assert live.action(42).reason.endswith("is under way")
    live.push(42, "ccccccc")
    assert isinstance(live.action(42), actions.Wait), "perhaps another push comes"
    live.pass_(seconds=3)
    assert live.action(42) == actions.Interrupt(live.ref(42), "ccccccc is newer than bbbbbbb")
    live.start(live.plan())
    assert live.action(42).reason.endswith("is being ended")
    live.finish_all()
    live.cycle()
    built = live.stacks[live.ref(42)].built
    assert built is not None
    assert built.commit == sha("ccccccc")


def test_an_update_is_superseded_three_times_at_most(live: Simulation) -> None:  # L6
    ref = live.ref(42)
    live.push(42, "bbbbbbb")
    live.pass_(seconds=5)
    live.superseded[ref] = 3
    live.start(live.plan())
    live.push(42, "ccccccc")
    live.pass_(seconds=5)
    assert "superseded 3 times in a row and now ends first" in live.action(42).reason


def test_a_label_taken_away_ends_a_running_creation(live: Simulation) -> None:  # L5, pitfall 1
    live.open(43)
    live.start(live.plan())
    live.change(43, labels=frozenset())
    interrupt = live.action(43)
    assert isinstance(interrupt, actions.Interrupt)
    assert interrupt.unwanted
    live.cycle(3)
    assert live.ref(43) not in live.stacks


def test_a_close_during_creation_is_confirmed_and_leaves_nothing(live: Simulation) -> None:  # L5, pitfall 1
    live.open(43)
    live.start(live.plan())
    live.change(43, state=PullState.CLOSED)
    assert isinstance(live.action(43), actions.Confirm)
    live.start(live.plan())
    assert isinstance(live.action(43), actions.Interrupt)
    live.cycle(3)
    assert live.stacks.keys() == {FOREIGN, live.ref(42)}
    assert live.targets["local"] == {"shop1-gentle-stream-42"}


def test_wanted_again_during_its_destroy_it_is_made_anew(live: Simulation) -> None:  # L5
    live.change(42, labels=frozenset())
    live.start(live.plan())
    live.change(42, labels=frozenset({"preview"}))
    assert "the destroy under way ends first" in live.action(42).reason
    live.finish_all()
    assert isinstance(live.action(42), actions.Create)


def test_time_runs_from_the_newest_commit_and_the_mark_comes_first(live: Simulation) -> None:  # L5, pitfall 10
    live.labels_ours = False
    live.pass_(hours=71)
    live.push(42, "bbbbbbb")
    live.cycle(2)
    live.pass_(hours=71)
    assert isinstance(live.action(42), actions.Keep)
    live.pass_(hours=2)
    expire = live.action(42)
    assert isinstance(expire, actions.Expire)
    assert expire.commit == sha("bbbbbbb")
    live.start(live.plan())
    assert isinstance(live.action(42), actions.Destroy)
    live.cycle()
    assert isinstance(live.action(42), actions.Unlabel)
    live.cycle()
    assert isinstance(live.action(42), actions.Refuse), "never again for this commit"
    assert live.plan().changes == (), "a label that we may not take off is not tried for ever"
    assert live.view(42).phase is Phase.EXPIRED
    live.push(42, "ccccccc")
    assert isinstance(live.action(42), actions.Create), "a push starts it afresh"


def test_the_label_goes_when_all_is_gone_and_comes_back_as_a_wish(live: Simulation) -> None:  # L5
    live.pass_(hours=73)
    live.cycle(3)
    assert live.ref(42) not in live.stacks
    assert live.pulls[Key(1, 42)].labels == frozenset()
    assert live.plan().changes == ()
    live.change(42, labels=frozenset({"preview"}))
    assert isinstance(live.action(42), actions.Revive)
    live.cycle(2)
    assert live.ref(42) in live.stacks
    live.pass_(hours=71)
    assert isinstance(live.action(42), actions.Keep), "one life of the usual length"


def test_trying_again_revives_what_expired(live: Simulation) -> None:  # L5
    live.pass_(hours=73)
    live.cycle(2)
    live.ask("retry", 42)
    live.cycle(2)
    assert live.ref(42) in live.stacks
    assert live.plan().changes == ()
    live.pass_(hours=73)
    assert isinstance(live.action(42), actions.Destroy), "for one life more"


def test_an_extension_counts_but_never_beyond_the_servers_most(live: Simulation) -> None:  # L5
    live.ask("extend", 42, live.now + timedelta(days=400))
    retag = live.action(42)
    assert isinstance(retag, actions.Retag)
    assert retag.tag.extended_until == live.now + timedelta(days=30)
    live.cycle()
    live.pass_(days=29)
    assert isinstance(live.action(42), actions.Keep)
    live.pass_(days=2)
    assert isinstance(live.action(42), actions.Expire)


def test_keep_freezes_the_clock(live: Simulation) -> None:  # L5
    tag = live.stacks[live.ref(42)].tag
    assert tag is not None
    live.edit(42, tag=replace(tag, keep=True))
    live.pass_(days=300)
    assert isinstance(live.action(42), actions.Keep)
    live.marks[Key(1, 42), sha("aaaaaaa")] = None
    assert isinstance(live.action(42), actions.Keep), "a mark of before it was kept counts no more"


def test_a_url_that_falls_silent_is_repaired_with_patience(live: Simulation) -> None:  # L9
    live.pass_(minutes=30)
    live.answer(42, ok=False, since=timedelta(seconds=44))
    assert isinstance(live.action(42), actions.Keep)
    assert live.view(42).phase is Phase.UNHEALTHY
    live.answer(42, ok=False, since=timedelta(seconds=46))
    repair = live.action(42)
    assert isinstance(repair, actions.Update)
    assert repair.refresh
    assert repair.reason == "its URL does not answer since 46 s: 502 from the app"


def test_a_url_that_never_answered_gets_its_own_deadline(live: Simulation) -> None:  # P3
    live.answer(42, ok=False, since=timedelta(seconds=30))
    live.pass_(minutes=4)
    assert isinstance(live.action(42), actions.Keep)
    assert live.view(42).phase is Phase.STARTING
    live.pass_(minutes=2)
    assert isinstance(live.action(42), actions.Update)


def test_repairs_that_do_not_help_are_paced(live: Simulation) -> None:  # L9
    repairs = 0
    for _ in range(24 * 60):
        record = live.stacks[live.ref(42)]
        assert record.built is not None
        live.answer(42, ok=False, since=live.now - record.built.at)
        repairs += isinstance(live.action(42), actions.Update)
        live.cycle(seconds=60)
        if live.now - START > timedelta(hours=10):
            break
    assert 10 <= repairs <= 50


def test_an_asleep_environment_is_left_alone_until_a_push(live: Simulation) -> None:  # L5
    tag = live.stacks[live.ref(42)].tag
    assert tag is not None
    live.edit(42, tag=replace(tag, asleep=live.now))
    live.pass_(minutes=30)
    live.answer(42, ok=False, since=timedelta(minutes=9))
    assert isinstance(live.action(42), actions.Keep)
    assert live.view(42).phase is Phase.ASLEEP
    live.push(42, "bbbbbbb")
    live.pass_(seconds=5)
    update = live.action(42)
    assert isinstance(update, actions.Update)
    assert update.tag is not None
    assert not update.tag.asleep


def test_an_operation_whose_stack_is_not_to_be_seen_yet_keeps_its_lane(live: Simulation) -> None:  # L6
    live.open(43)
    world = replace(live.world(), running={live.ref(43): Running(live.ref(43), Verb.UP, sha("aaaaaaa"), live.now)})
    about = [action for action in plans.plan(world, live.policy, live.now).actions if action.ref == live.ref(43)]
    assert isinstance(about[0], actions.Wait)
    assert about[0].because is actions.Because.LANE


def test_a_restart_does_not_start_the_clock_anew(live: Simulation) -> None:  # L2, L5
    live.pass_(hours=71)
    live.change(42, seen=live.now)
    live.pass_(hours=2)
    assert isinstance(live.action(42), actions.Expire), "the tag knows when the commit was first seen"


def test_a_first_sight_of_an_older_commit_says_nothing_of_the_head(live: Simulation) -> None:  # L5
    live.push(42, "bbbbbbb")
    live.pass_(hours=1)
    facts = replace(live.world(), first_seen={Key(1, 42): (sha("aaaaaaa"), START)})
    update = next(a for a in plans.plan(facts, live.policy, live.now).actions if isinstance(a, actions.Update))
    assert update.tag is not None
    assert update.tag.seen == live.now


def test_the_server_bounds_the_time_that_eph_yaml_asks_for(live: Simulation) -> None:  # Y4
    live.change(42, recipe={"ttl": timedelta(days=400)})
    live.pass_(days=31)
    assert isinstance(live.action(42), actions.Expire)


def test_one_that_is_refused_or_waits_can_still_be_extended(live: Simulation) -> None:  # L5
    live.push(42, "bbbbbbb")
    live.ask("extend", 42, live.now + timedelta(hours=100))
    assert isinstance(live.action(42), actions.Retag), "while it waits for pushes to end"
    live.change(42, problems=("eph.yaml:1: wrong",))
    assert isinstance(live.action(42), actions.Retag), "while its new eph.yaml is wrong"


def test_a_stack_that_says_it_is_another_pull_requests_is_held(live: Simulation) -> None:  # L7
    tag = live.stacks[live.ref(42)].tag
    assert tag is not None
    live.edit(42, tag=replace(tag, number=41))
    live.change(42, labels=frozenset())
    hold = live.action(42)
    assert isinstance(hold, actions.Hold)
    assert "belongs to acme/shop#41" in hold.reason


def test_a_weak_word_interrupts_nothing(live: Simulation) -> None:  # L7
    live.push(42, "bbbbbbb")
    live.pass_(seconds=5)
    live.start(live.plan())
    live.pulls.clear()
    live.start(live.plan())
    assert isinstance(live.action(42), actions.Wait)


def test_a_weak_word_destroys_nothing_while_stacks_are_unknown(live: Simulation) -> None:  # L7
    live.open(1)
    live.cycle()
    live.pulls.clear()
    live.start(live.plan())
    live.stacks_complete = False
    acts = live.plan().actions
    assert acts
    assert all(isinstance(action, actions.Hold) for action in acts)
