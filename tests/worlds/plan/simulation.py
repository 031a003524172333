"""A small simulated world for the plan: pull requests, stacks and targets in memory, told in the world's verbs.

It carries plans out as the executor would, refuses what must never happen (two operations for one stack, more than
the limits, a foreign stack, the end of something that is wanted), and keeps its own clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from orchestrator.core.model.world import (
    RunningOperation,
)
from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.views import environment_views
from orchestrator.forges.pull_requests import PullState
from stacks import names
from stacks.model import (
    BuildInfo,
    OperationResult,
    OperationVerb,
    Outcome,
    StackRecord,
    StackRef,
    StackTag,
    StackUpdate,
)
from tests.worlds.plan.simulated_facts import Job, SimulatedFacts

OperationAction = (
    plan_actions.Create
    | plan_actions.Update
    | plan_actions.Retag
    | plan_actions.Sleep
    | plan_actions.Wake
    | plan_actions.Destroy
)


def stack_actions(plan: plans.Plan) -> list[plan_actions.StackAction]:
    """All but the purges, which concern no stack."""
    return [action for action in plan.actions if not isinstance(action, plan_actions.Purge)]


class Simulation(SimulatedFacts):
    """Carries a plan out step by step."""

    def plan(self) -> plans.Plan:
        return plans.plan(self.world(), self.policy, self.now)

    def action(self, number: int, repository: int = 1) -> plan_actions.Action:
        """The one action about a pull request."""
        found = self.actions(self.ref(number, repository))
        assert len(found) == 1, found
        return found[0]

    def actions(self, ref: StackRef) -> list[plan_actions.StackAction]:
        return [action for action in stack_actions(self.plan()) if action.ref == ref]

    def view(self, number: int) -> environment_views.EnvironmentView:
        found = environment_views.build(self.world(), self.plan(), self.policy, self.now)
        return next(view for view in found if view.ref == self.ref(number))

    # What the executor does.

    def run_cycle(self, times: int = 1, seconds: float = 30) -> None:
        """Plans, carries all of it out to the end, and lets time pass."""
        for _ in range(times):
            self.start(self.plan())
            self.finish_all()
            self.advance(seconds=seconds)

    def start(self, plan: plans.Plan, limit: int | None = None) -> None:
        """Begins the first ``limit`` of a plan's actions, and stops there as if the power had gone."""
        for action in plan.changes[:limit]:
            self.begin(action)

    def begin(self, action: plan_actions.Action) -> None:
        match action:
            case plan_actions.Interrupt(ref=ref):
                self.jobs[ref].running = replace(self.jobs[ref].running, interrupting=True)
            case plan_actions.Confirm(key=key):
                pull = self.pulls.get(key)
                self.confirmed[key] = pull.state if pull else PullState.GONE
            case plan_actions.Expire(key=key, commit=commit):
                self.marks[key, commit] = None
                self.expiry_reasons[key, commit] = action.reason
            case plan_actions.Unlabel(key=key, commit=commit):
                self.marks[key, commit] = self.can_remove_labels
                if self.can_remove_labels:
                    self.pulls[key].labels = frozenset()
            case plan_actions.Revive(key=key, commit=commit):
                del self.marks[key, commit]
                self.pulls[key].seen = self.now
            case plan_actions.Purge(target=target, name=name):
                assert name not in {record.tag.name for record in self.stacks.values() if record.tag}
                self.targets[target].discard(name)
                self.guarded_destroys.append(self.now)
            case plan_actions.Create() | plan_actions.Update() | plan_actions.Retag() | plan_actions.Destroy():
                self._begin_operation(action)
            case plan_actions.Sleep() | plan_actions.Wake():
                self._begin_operation(action)

    def _begin_operation(self, action: OperationAction) -> None:
        ref = action.ref
        assert ref not in self.jobs, f"two operations at once for {ref}"
        assert names.parse(ref) is not None, f"{ref} is not ours"
        assert isinstance(action, plan_actions.Create) != (ref in self.stacks), (
            f"{ref} is made twice, or not there to change"
        )
        verbs = {
            plan_actions.Destroy: OperationVerb.DESTROY,
            plan_actions.Retag: OperationVerb.RETAG,
            plan_actions.Sleep: OperationVerb.SLEEP,
            plan_actions.Wake: OperationVerb.WAKE,
        }
        commit = action.spec.source.commit if isinstance(action, plan_actions.Create | plan_actions.Update) else ""
        running = RunningOperation(
            ref, verbs.get(type(action), OperationVerb.UP), commit, self.now, self.superseded[ref]
        )
        self.jobs[ref] = Job(action, running)
        self.started.append(action)
        if isinstance(action, plan_actions.Destroy) and action.guarded:
            self.guarded_destroys.append(self.now)
        light = sum(job.running.verb in (OperationVerb.SLEEP, OperationVerb.WAKE) for job in self.jobs.values())
        assert light <= self.policy.max_concurrent_sleeps
        assert len(self.jobs) - light <= self.policy.max_concurrent
        if isinstance(action, plan_actions.Sleep | plan_actions.Wake):  # first of all the tag says that it is half-way
            asleep = action.tag.asleep or (found.asleep if (found := self.stacks[ref].tag) else None) or self.now
            half = replace(action.tag, asleep=asleep, awake_until=None, half=True)
            self.stacks[ref] = replace(self.stacks[ref], tag=half)
        self._check_limits()

    def _check_limits(self) -> None:
        made = {ref for ref, job in self.jobs.items() if isinstance(job.action, plan_actions.Create)}
        held = Counter(found.repository for ref in {*self.stacks, *made} if (found := names.parse(ref)))
        assert held.total() <= self.policy.max_environments
        assert all(number <= self.policy.max_per_repository for number in held.values())

    def finish_all(self) -> None:
        for ref in list(self.jobs):
            self.finish(ref)

    def finish(self, ref: StackRef) -> None:
        job = self.jobs.pop(ref)
        match job.action:
            case plan_actions.Destroy(name=name):
                self._finish_destroy(ref, name)
            case plan_actions.Retag(tag=tag):
                self.stacks[ref] = replace(self.stacks[ref], tag=tag)
                self.intents = [intent for intent in self.intents if intent.ref != ref]
            case plan_actions.Sleep(tag=tag) | plan_actions.Wake(tag=tag):
                self._finish_sleep_or_wake(ref, job.running.verb, tag)
            case plan_actions.Create() | plan_actions.Update():
                self._finish_build(ref, job.action, job.running.interrupting)

    def crash(self) -> None:
        """``kill -9``: everything under way is lost, and what is in memory with it."""
        for ref, job in list(self.jobs.items()):
            if isinstance(job.action, plan_actions.Create | plan_actions.Update):
                old = self.stacks.get(ref) or StackRecord(ref)
                self.stacks[ref] = replace(old, pending_operations=1, tag=job.action.tag or old.tag)
                self.targets["local"].add(job.action.spec.name)
        self.jobs.clear()
        self.failures.clear()
        self.confirmed.clear()
        self.superseded.clear()
        self.health.clear()

    def _finish_build(
        self, ref: StackRef, action: plan_actions.Create | plan_actions.Update, interrupted: bool
    ) -> None:
        commit = action.spec.source.commit
        failed = commit in self.failing
        outcome = Outcome.CANCELLED if interrupted else Outcome.FAILED if failed else Outcome.SUCCEEDED
        old = self.stacks.get(ref) or StackRecord(ref)
        history = (*old.history, StackUpdate(OperationVerb.UP, commit, outcome, self.now))
        record = replace(
            old,
            tag=action.tag or old.tag,
            history=history,
            resource_count=3,
            pending_operations=int(interrupted),
            locks=(),
        )
        self.targets["local"].add(action.spec.name)
        self.superseded[ref] = self.superseded[ref] + 1 if interrupted else 0
        if outcome is Outcome.SUCCEEDED:
            built = BuildInfo(commit, action.spec.digest, "1", "local", f"http://{action.spec.host}", {}, self.now)
            record = replace(record, built=built)
            self.failures.pop(ref, None)
            self.intents = [intent for intent in self.intents if intent.ref != ref]
            self._mark_current(ref, commit)
        else:
            self.failures[ref] = self._result(ref, OperationVerb.UP, outcome, commit, "the build command failed")
        self.stacks[ref] = record

    def _finish_sleep_or_wake(self, ref: StackRef, verb: OperationVerb, tag: StackTag) -> None:
        if ref in self.stuck:
            old = self.stacks[ref]
            self.stacks[ref] = replace(old, tag=replace(old.tag, half=False) if old.tag else None)
            self.failures[ref] = self._result(ref, verb, Outcome.FAILED, "", "service web ended 3 times")
            return
        self.stacks[ref] = replace(self.stacks[ref], tag=tag)
        self.intents = [intent for intent in self.intents if intent.ref != ref]
        self.failures.pop(ref, None)

    def _mark_current(self, ref: StackRef, commit: str) -> None:
        found = names.parse(ref)
        pull = self.pulls.get(found) if found else None
        if pull is not None and pull.commit == commit:
            pull.behind_since = None

    def _finish_destroy(self, ref: StackRef, name: str) -> None:
        if ref in self.stuck:
            record = self.stacks[ref]
            history = (*record.history, StackUpdate(OperationVerb.DESTROY, "", Outcome.FAILED, self.now))
            self.stacks[ref] = replace(record, history=history)
            self.failures[ref] = self._result(ref, OperationVerb.DESTROY, Outcome.FAILED, "", "a namespace hangs")
            return
        del self.stacks[ref]
        self.targets["local"].discard(name)
        self.failures.pop(ref, None)
        self.health.pop(ref, None)
        self.approved.discard(str(ref))

    def _result(self, ref: StackRef, verb: OperationVerb, outcome: Outcome, commit: str, error: str) -> OperationResult:
        return OperationResult(ref, verb, outcome, commit, self.now, self.now, error, "build", ("exit 1",))
