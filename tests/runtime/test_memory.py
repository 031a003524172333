"""What one life of ephd remembers, and that it forgets: L2, L5, L7. A year of pull requests leaves nothing behind."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.model import Intent
from orchestrator.runtime.memory import Memory
from stacks.model import OperationResult, Outcome, StackRef, Verb
from tests.stories.town import BAD_YAML, START, Town

REF = StackRef("eph-shop-rs", "pr-1")


def ended(verb: Verb, outcome: Outcome, commit: str = "a" * 40) -> OperationResult:
    return OperationResult(REF, verb, outcome, commit, START, START, "exit code 2")


def wish(kind: str, seconds: float) -> Intent:
    return Intent(REF, kind, "bob", START + timedelta(seconds=seconds))


def test_what_was_asked_for_before_it_began_is_done_and_what_came_later_is_not() -> None:  # L5
    for kind, verb in (("extend", Verb.UP), ("extend", Verb.RETAG), ("retry", Verb.UP)):
        memory = Memory()
        memory.intend(wish(kind, -1))
        memory.ended(ended(verb, Outcome.SUCCEEDED), START, False)
        assert memory.intents == {}
        memory.intend(wish(kind, 1))
        memory.ended(ended(verb, Outcome.SUCCEEDED), START, False)
        assert len(memory.intents) == 1


def test_a_wish_for_time_does_not_hide_the_one_to_take_it_down() -> None:  # L5
    memory = Memory()
    memory.intend(wish("down", 0))
    memory.intend(wish("extend", 1))
    assert {kind for _, kind in memory.intents} == {"down", "extend"}


def test_a_tag_that_was_written_says_nothing_of_why_the_build_failed() -> None:  # P1
    memory = Memory()
    memory.ended(ended(Verb.UP, Outcome.FAILED), START, False)
    memory.ended(ended(Verb.RETAG, Outcome.SUCCEEDED), START, False)
    assert memory.failures[REF].error == "exit code 2"
    memory.ended(ended(Verb.UP, Outcome.SUCCEEDED), START, False)
    assert memory.failures == {}


def test_tries_are_counted_for_the_same_thing_only() -> None:  # L5
    memory = Memory()
    for _ in range(3):
        memory.ended(ended(Verb.UP, Outcome.FAILED), START, False)
    assert memory.failed_tries[REF] == 3
    memory.ended(ended(Verb.UP, Outcome.FAILED, "b" * 40), START, False)
    assert memory.failed_tries[REF] == 1


def test_an_interrupt_counts_only_when_something_newer_follows() -> None:  # L6
    memory = Memory()
    memory.ended(ended(Verb.UP, Outcome.CANCELLED), START, False)
    assert memory.superseded == {}
    memory.ended(ended(Verb.UP, Outcome.CANCELLED), START, True)
    assert memory.superseded == {REF: 1}
    assert memory.failures == {}
    memory.ended(ended(Verb.UP, Outcome.FAILED), START, False)
    assert memory.superseded == {}


async def test_many_lives_of_pull_requests_leave_nothing_in_memory(town: Town) -> None:  # L2
    for each in range(30):
        number = town.open(str(each), files={"text": str(each), **({"eph.yaml": BAD_YAML} if each % 5 == 0 else {})})
        if each % 3 == 0:
            town.stacks.fail(town.ref(number), "exit code 2", times=2)
        await town.live(seconds=20)
        town.push(number)
        await town.live(seconds=20)
        town.ask("extend" if each % 2 else "retry", number)
        town.forge.close_pull(town.shop, number)
        await town.live(seconds=20)
    await town.live(minutes=5)
    memory = town.memory
    held = [memory.failures, memory.failed_tries, memory.superseded, memory.first_seen, memory.behind_since]
    assert held == [{}] * len(held)
    assert memory.confirmed == {}
    assert {kind for _, kind in memory.intents} <= {"retry"}
    assert town.executor.running == {}
    assert town.monitor.answers == {}
    assert town.herald._owed == {}
    assert town.herald._told == set()
    await town.skip(days=2)
    assert memory.destroyed == []
    assert memory.intents == {}
