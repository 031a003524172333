"""What one life of ephd remembers, and that it forgets: L2, L5, L7. A year of pull requests leaves nothing behind."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.runtime.loop_state import LoopState
from stacks.model import OperationResult, OperationVerb, Outcome, StackRef
from tests.worlds.eph_files import BAD_YAML
from tests.worlds.world import World
from tests.worlds.world_process import START

REF = StackRef("eph-shop-rs", "pr-1")


def result_of(verb: OperationVerb, outcome: Outcome, commit: str = "a" * 40) -> OperationResult:
    return OperationResult(REF, verb, outcome, commit, START, START, "exit code 2")


def intent(kind: str, seconds: float) -> Intent:
    return Intent(REF, IntentKind(kind), "bob", START + timedelta(seconds=seconds))


def test_what_was_asked_for_before_it_began_is_done_and_what_came_later_is_not() -> None:  # L5
    for kind, verb in (("extend", OperationVerb.UP), ("extend", OperationVerb.RETAG), ("retry", OperationVerb.UP)):
        memory = LoopState()
        memory.add_intent(intent(kind, -1))
        memory.record_result(result_of(verb, Outcome.SUCCEEDED), START, False)
        assert memory.intents == {}
        memory.add_intent(intent(kind, 1))
        memory.record_result(result_of(verb, Outcome.SUCCEEDED), START, False)
        assert len(memory.intents) == 1


def test_a_wish_for_time_does_not_hide_the_one_to_take_it_down() -> None:  # L5
    memory = LoopState()
    memory.add_intent(intent("down", 0))
    memory.add_intent(intent("extend", 1))
    assert {kind for _, kind in memory.intents} == {"down", "extend"}


def test_a_tag_that_was_written_says_nothing_of_why_the_build_failed() -> None:  # P1
    memory = LoopState()
    memory.record_result(result_of(OperationVerb.UP, Outcome.FAILED), START, False)
    memory.record_result(result_of(OperationVerb.RETAG, Outcome.SUCCEEDED), START, False)
    assert memory.failures[REF].error == "exit code 2"
    memory.record_result(result_of(OperationVerb.UP, Outcome.SUCCEEDED), START, False)
    assert memory.failures == {}


def test_tries_are_counted_for_the_same_thing_only() -> None:  # L5
    memory = LoopState()
    for _ in range(3):
        memory.record_result(result_of(OperationVerb.UP, Outcome.FAILED), START, False)
    assert memory.failed_attempts[REF] == 3
    memory.record_result(result_of(OperationVerb.UP, Outcome.FAILED, "b" * 40), START, False)
    assert memory.failed_attempts[REF] == 1


def test_an_interrupt_counts_only_when_something_newer_follows() -> None:  # L6
    memory = LoopState()
    memory.record_result(result_of(OperationVerb.UP, Outcome.CANCELLED), START, False)
    assert memory.superseded == {}
    memory.record_result(result_of(OperationVerb.UP, Outcome.CANCELLED), START, True)
    assert memory.superseded == {REF: 1}
    assert memory.failures == {}
    memory.record_result(result_of(OperationVerb.UP, Outcome.FAILED), START, False)
    assert memory.superseded == {}


async def test_many_lives_of_pull_requests_leave_nothing_in_memory(world: World) -> None:  # L2
    for each in range(30):
        number = world.open(str(each), files={"text": str(each), **({"eph.yaml": BAD_YAML} if each % 5 == 0 else {})})
        if each % 3 == 0:
            world.stacks.fail(world.ref(number), "exit code 2", times=2)
        await world.run_for(seconds=20)
        world.push(number)
        await world.run_for(seconds=20)
        world.request_action("extend" if each % 2 else "retry", number)
        world.forge.close_pull(world.shop, number)
        await world.run_for(seconds=20)
    await world.run_for(minutes=5)
    memory = world.memory
    held = [memory.failures, memory.failed_attempts, memory.superseded, memory.first_seen, memory.waiting_since]
    assert held == [{}] * len(held)
    assert memory.confirmed == {}
    assert {kind for _, kind in memory.intents} <= {"retry"}
    assert world.executor.running == {}
    assert world.monitor.statuses == {}
    assert world.notifier._pending == {}
    assert world.notifier._reported_destroyed == set()
    await world.skip_ahead(days=2)
    assert memory.guarded_destroys == []
    assert memory.intents == {}
