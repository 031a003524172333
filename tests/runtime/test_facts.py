"""What one process remembers, and when it forgets it: L2, L5. A year of pull requests leaves nothing behind."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import timedelta

import pytest

from orchestrator.core.model.image_lookup import ImageLookup
from orchestrator.core.model.label_deploys import LabelDeploy
from orchestrator.core.model.world import CompletedRepair, Confirmation, Existence, Intent, IntentKind
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult, SuiteRun
from orchestrator.runtime.facts.attempts import AttemptHistory
from orchestrator.runtime.facts.commits import FirstSeenCommits
from orchestrator.runtime.facts.destroys import DestroyApprovals
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.facts.remembered_fact import RecalledFacts
from orchestrator.runtime.facts.suite_history import SuiteHistory
from stacks import keys, names
from stacks.model import OperationResult, OperationVerb, Outcome, RefKind, StackSnapshot
from tests.worlds.eph_files import BAD_YAML
from tests.worlds.world import World
from tests.worlds.world_process import START

REPOSITORY = 28
KEY = keys.pull_request(REPOSITORY, 1)
DEPLOY_KEY = keys.ref(REPOSITORY, RefKind.DEPLOY, "feat-x")
REF = names.stack_ref(keys.pull_request(REPOSITORY, 1), "shop")


def result_of(verb: OperationVerb, outcome: Outcome, commit: str = "a" * 40) -> OperationResult:
    return OperationResult(REF, verb, outcome, commit, START, START, "exit code 2")


def intent(kind: IntentKind, seconds: float) -> Intent:
    return Intent(REF, kind, "bob", START + timedelta(seconds=seconds))


def record_everything(facts: LoopFacts) -> None:
    """One key in every fact."""
    facts.attempts.record_result(result_of(OperationVerb.UP, Outcome.FAILED), superseded=False)
    facts.intents.add(intent(IntentKind.DOWN, 0))
    facts.first_seen.seen[KEY] = ("a" * 40, START)
    facts.outdated.since[KEY] = START
    facts.image_lookups.latest[KEY] = ImageLookup("a" * 40, (), START, START)
    facts.confirmed.record(Confirmation(KEY, Existence.ENDED, "closed"), START)
    facts.guarded_destroys.record(START)
    facts.approvals.approve_plan("digest", START)
    facts.repairs.record(REF, CompletedRepair(START, "a" * 40, "recreated the database"))
    facts.deploys.add(DEPLOY_KEY, LabelDeploy("feat-x", "a" * 40, START, "bob"), START)
    facts.deploys.withdraw(DEPLOY_KEY, "bob destroyed it", START)
    failed = result_of(OperationVerb.UP, Outcome.FAILED)
    facts.deploys.record_result(replace(failed, ref=names.stack_ref(DEPLOY_KEY, "shop")))
    facts.suites.record(REF, SuiteResult("unit", "a" * 40, SuiteOutcome.PASSED, START))
    facts.suites.attempts[SuiteRun(REF, "a" * 40, "unit")] += 1
    facts.suites.loaded.add(REF)


def contents(fact: object) -> list[object]:
    """Everything that a fact holds, of whatever kind."""
    slots = [each.name for each in fields(fact)] if is_dataclass(fact) else list(vars(fact))
    return [held for name in slots if (held := getattr(fact, name))]


FACTS = [each.name for each in fields(LoopFacts)]


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_is_forgotten_when_its_record_has_ended_or_expired(name: str) -> None:  # L2
    facts = LoopFacts()
    record_everything(facts)
    assert contents(getattr(facts, name)), "the test records one key in every fact"
    facts.update({}, StackSnapshot(stacks={}, complete=True), START + timedelta(days=2))
    assert contents(getattr(facts, name)) == []


@pytest.mark.parametrize("name", ["attempts", "intents", "suites"])
def test_an_incomplete_snapshot_ends_no_stack(name: str) -> None:  # L2
    facts = LoopFacts()
    record_everything(facts)
    facts.update({}, StackSnapshot(stacks={}, complete=False), START)
    assert contents(getattr(facts, name))


@pytest.mark.parametrize("name", [name for name in FACTS if name not in ("first_seen", "outdated")])
def test_a_new_term_drops_what_another_replica_may_have_changed(name: str) -> None:  # O2
    facts = LoopFacts()
    record_everything(facts)
    facts.start_term(RecalledFacts())
    assert contents(getattr(facts, name)) == []


def test_a_new_term_takes_over_what_is_recorded_elsewhere() -> None:  # L2
    failed, repair = result_of(OperationVerb.UP, Outcome.FAILED), CompletedRepair(START, "a" * 40, "restarted web")
    facts = LoopFacts()
    facts.start_term(RecalledFacts((failed,), {REF: repair}, (START,), {REF: ("a" * 40, START)}))
    assert facts.attempts.failures == {REF: failed}
    assert facts.repairs.latest == {REF: repair}
    assert facts.guarded_destroys.started == [START]
    assert facts.image_lookups.latest == {KEY: ImageLookup("a" * 40, (), START, START)}


def test_approving_a_plan_approves_its_destroys_once() -> None:  # L7
    approvals = DestroyApprovals()
    approvals.approve_plan("digest", START)
    approvals.use_plan("another digest", ("shop-2",), START)
    assert approvals.destroys == {}
    approvals.use_plan("digest", ("shop-1",), START)
    assert (approvals.plans, approvals.destroys) == ({}, {"shop-1": START})
    approvals.complete("shop-1")
    assert approvals.destroys == {}


def test_reset_forgets_when_a_commit_was_first_seen() -> None:  # L5
    commits = FirstSeenCommits({KEY: ("b" * 40, START)})
    assert commits.seen == {KEY: ("b" * 40, START)}
    commits.reset(KEY)
    assert commits.seen == {}


def test_results_that_came_in_while_older_ones_were_loaded_win() -> None:  # P4
    history = SuiteHistory()
    fresh = SuiteResult("unit", "b" * 40, SuiteOutcome.PASSED, START)
    history.record(REF, fresh)
    history.load(REF, {"unit": SuiteResult("unit", "a" * 40, SuiteOutcome.FAILED, START)})
    assert history.results == {REF: {"unit": fresh}}


def test_an_operation_completes_only_intents_from_before_it_began() -> None:  # L5
    for kind, verb in (
        (IntentKind.EXTEND, OperationVerb.UP),
        (IntentKind.EXTEND, OperationVerb.RETAG),
        (IntentKind.RETRY, OperationVerb.UP),
    ):
        intents = PendingIntents()
        intents.add(intent(kind, -1))
        intents.record_result(result_of(verb, Outcome.SUCCEEDED), START)
        assert intents.all() == ()
        intents.add(intent(kind, 1))
        intents.record_result(result_of(verb, Outcome.SUCCEEDED), START)
        assert len(intents.all()) == 1


def test_an_extension_does_not_hide_a_destroy_request() -> None:  # L5
    intents = PendingIntents()
    intents.add(intent(IntentKind.DOWN, 0))
    intents.add(intent(IntentKind.EXTEND, 1))
    assert {each.kind for each in intents.all()} == {"down", "extend"}


def test_a_written_tag_does_not_clear_the_failure_of_a_build() -> None:  # P1
    attempts = AttemptHistory()
    attempts.record_result(result_of(OperationVerb.UP, Outcome.FAILED), False)
    attempts.record_result(result_of(OperationVerb.RETAG, Outcome.SUCCEEDED), False)
    assert attempts.failures[REF].error == "exit code 2"
    attempts.record_result(result_of(OperationVerb.UP, Outcome.SUCCEEDED), False)
    assert attempts.failures == {}


def test_only_failures_of_the_same_operation_add_up() -> None:  # L5
    attempts = AttemptHistory()
    for _ in range(3):
        attempts.record_result(result_of(OperationVerb.UP, Outcome.FAILED), False)
    assert attempts.failed[REF] == 3
    attempts.record_result(result_of(OperationVerb.UP, Outcome.FAILED, "b" * 40), False)
    assert attempts.failed[REF] == 1


def test_an_interruption_counts_only_if_a_newer_commit_caused_it() -> None:  # L6
    attempts = AttemptHistory()
    attempts.record_result(result_of(OperationVerb.UP, Outcome.CANCELLED), False)
    assert attempts.superseded == {}
    attempts.record_result(result_of(OperationVerb.UP, Outcome.CANCELLED), True)
    assert attempts.superseded == {REF: 1}
    assert attempts.failures == {}
    attempts.record_result(result_of(OperationVerb.UP, Outcome.FAILED), False)
    assert attempts.superseded == {}


async def test_many_lives_of_pull_requests_leave_nothing_in_memory(world: World) -> None:  # L2
    for each in range(30):
        number = world.open_pull(
            str(each), files={"text": str(each), **({"eph.yaml": BAD_YAML} if each % 5 == 0 else {})}
        )
        if each % 3 == 0:
            world.stacks.fail(world.ref(number), "exit code 2", times=2)
        await world.run_for(seconds=20)
        world.push(number)
        await world.run_for(seconds=20)
        world.request_action("extend" if each % 2 else "retry", number)
        world.close_pull(number)
        await world.run_for(seconds=20)
    await world.run_for(minutes=5)
    facts = world.facts
    for name in ("attempts", "first_seen", "outdated", "confirmed", "suites"):
        assert contents(getattr(facts, name)) == [], name
    assert {each.kind for each in facts.intents.all()} <= {IntentKind.RETRY}
    assert world.executor.running == {}
    assert world.monitor.statuses == {}
    assert world.notifier._pending == {}
    assert world.notifier._reported_destroyed == set()
    await world.skip_ahead(days=2)
    assert facts.guarded_destroys.started == []
    assert facts.intents.all() == ()
