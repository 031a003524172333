"""A small simulated world for the plan: pull requests, stacks and targets in memory, told in the world's verbs.

It carries plans out as the executor would, refuses what must never happen (two operations for one stack, more than
the limits, a foreign stack, the end of something that is wanted), and keeps its own clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core import actions, plans, views
from orchestrator.core.model import (
    Candidate,
    Health,
    Intent,
    Key,
    PullRequest,
    PullState,
    RepositoryFacts,
    Running,
    Traffic,
    World,
)
from orchestrator.core.policy import Policy
from orchestrator.core.trials import Run, Trials
from stacks import names
from stacks.model import Built, OperationResult, Outcome, StackRecord, StackRef, StackSnapshot, Tag, Update, Verb
from tests.core.pulls import PREVIEW, START, Pull, sha

Operated = actions.Create | actions.Update | actions.Retag | actions.Sleep | actions.Wake | actions.Destroy
FOREIGN = StackRef("payroll", "production")


@dataclass
class Job:
    action: actions.Action
    running: Running


class Simulation:
    """Facts, a clock, and the means to carry a plan out step by step."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy(debounce=timedelta(0))
        self.now = START
        self.names = {1: "acme/shop", 2: "acme/wiki"}
        self.incomplete: set[int] = set()
        self.stacks_complete = True
        self.pulls: dict[Key, Pull] = {}
        self.stacks: dict[StackRef, StackRecord] = {FOREIGN: StackRecord(FOREIGN, resources=9)}
        self.jobs: dict[StackRef, Job] = {}
        self.targets: dict[str, set[str]] = {"local": set()}
        self.marks: dict[tuple[Key, str], bool | None] = {}
        """What expired, and whether its label was taken off."""
        self.said: dict[tuple[Key, str], str] = {}
        self.labels_ours = True
        self.confirmed: dict[Key, PullState] = {}
        self.failing: set[str] = set()
        self.stuck: set[StackRef] = set()
        self.failures: dict[StackRef, OperationResult] = {}
        self.health: dict[StackRef, Health] = {}
        self.intents: list[Intent] = []
        self.traffic: Traffic | None = None
        self.testing: set[StackRef] = set()
        self.guarded: list[datetime] = []
        self.approved_plans: set[str] = set()
        self.approved: set[str] = set()
        self.superseded: Counter[StackRef] = Counter()
        self.started: list[actions.Action] = []

    # What people and machines do.

    def open(self, number: int, commit: str = "aaaaaaa", repository: int = 1, **facts: object) -> StackRef:
        key = Key(repository, number)
        self.pulls[key] = Pull(key, sha(commit), seen=self.now, behind_since=self.now, **facts)
        return self.ref(number, repository)

    def push(self, number: int, commit: str, repository: int = 1) -> None:
        pull = self.pulls[Key(repository, number)]
        pull.commit, pull.seen = sha(commit), self.now
        pull.behind_since = pull.behind_since or self.now

    def change(self, number: int, repository: int = 1, **facts: object) -> None:
        for name, value in facts.items():
            setattr(self.pulls[Key(repository, number)], name, value)

    def ask(self, kind: str, number: int, until: datetime | None = None) -> None:
        self.intents.append(Intent(self.ref(number), kind, "bob", self.now, until))

    def visit(self, number: int, knock: bool = False) -> None:
        """As the gateway writes it down, which watches on."""
        self.watch()
        assert self.traffic is not None
        built = self.stacks[self.ref(number)].built
        assert built is not None
        host = built.url.removeprefix("http://")
        knocks = {**self.traffic.knocks, **({host: self.now} if knock else {})}
        self.traffic = replace(self.traffic, last={**self.traffic.last, host: self.now}, knocks=knocks)

    def watch(self) -> None:
        """The gateway has seen everything up to now; what it did not know it noticed just now."""
        known = self.traffic or Traffic(self.now)
        built = [record.built for record in self.stacks.values() if record.built]
        hosts = {each.url.removeprefix("http://") for each in built}
        self.traffic = replace(known, until=self.now, last={**dict.fromkeys(hosts, self.now), **known.last})

    def answer(self, number: int, ok: bool = True, since: timedelta = timedelta(0)) -> None:
        ref = self.ref(number)
        built = self.stacks[ref].built
        assert built is not None
        self.health[ref] = Health(ok, built.commit, self.now, self.now - since, "" if ok else "502 from the app")

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)

    def edit(self, number: int, **facts: object) -> None:
        """Changes what the store says of a stack."""
        ref = self.ref(number)
        self.stacks[ref] = replace(self.stacks[ref], **facts)

    # What is seen of it.

    def ref(self, number: int, repository: int = 1) -> StackRef:
        key = Key(repository, number)
        for ref in self.stacks:
            if names.parse(ref) == (key.repository, key.number):
                return ref
        return names.stack_ref(repository, self.names[repository], number)

    def world(self) -> World:
        hidden = set() if self.stacks_complete else set(sorted(self.stacks)[1::2])
        shown = {ref: record for ref, record in self.stacks.items() if ref not in hidden}
        return World(
            repositories={repository: self._facts(repository) for repository in self.names},
            stacks=StackSnapshot(shown, self.stacks_complete, "" if self.stacks_complete else "the disk is slow"),
            running={ref: job.running for ref, job in self.jobs.items()},
            health=dict(self.health),
            failures=dict(self.failures),
            first_seen={key: (pull.commit, pull.seen) for key, pull in self.pulls.items()},
            destroyed_recently=tuple(self.guarded),
            on_targets={target: frozenset(found) for target, found in self.targets.items()},
            intents=tuple(self.intents),
            traffic=self.traffic,
            trials=Trials(running={Run(ref, "", "browser"): self.now for ref in self.testing}),
            approved_plans=frozenset(self.approved_plans),
            approved=frozenset(self.approved),
            behind_since={key: pull.behind_since for key, pull in self.pulls.items() if pull.behind_since},
        )

    def _facts(self, repository: int) -> RepositoryFacts:
        """An incomplete reading misses every second pull request, and says so."""
        mine = sorted(key for key in self.pulls if key.repository == repository)
        half = repository in self.incomplete
        open_ = [key for key in (mine[::2] if half else mine) if self.pulls[key].state is PullState.OPEN]
        labelled = [key for key in open_ if self.pulls[key].labels & PREVIEW]
        confirmed = {key: state for key, state in self.confirmed.items() if key.repository == repository}
        return RepositoryFacts(
            repository,
            self.names[repository],
            not half,
            "502 on page 2" if half else "",
            {key.number: self._candidate(key) for key in labelled},
            frozenset(key.number for key in open_),
            {key.number: self._stated(key, state) for key, state in confirmed.items() if key not in open_},
        )

    def _candidate(self, key: Key) -> Candidate:
        mark = (key, self.pulls[key].commit)
        found = self.pulls[key].candidate(mark in self.marks)
        return replace(found, label_off=self.marks.get(mark), expired_why=self.said.get(mark, ""))

    def _stated(self, key: Key, state: PullState) -> PullRequest:
        pull = self.pulls.get(key) or Pull(key, sha("0"))
        return replace(pull.candidate(False).pull, state=state)

    def plan(self) -> plans.Plan:
        return plans.plan(self.world(), self.policy, self.now)

    def action(self, number: int, repository: int = 1) -> actions.Action:
        """The one action about a pull request."""
        ref = self.ref(number, repository)
        about = [action for action in self.plan().actions if not isinstance(action, actions.Purge)]
        found = [action for action in about if action.ref == ref]
        assert len(found) == 1, found
        return found[0]

    def view(self, number: int) -> views.EnvironmentView:
        found = views.of(self.world(), self.plan(), self.policy, self.now)
        return next(view for view in found if view.ref == self.ref(number))

    # What the executor does.

    def cycle(self, times: int = 1, seconds: float = 30) -> None:
        """Plans, carries all of it out to the end, and lets time pass."""
        for _ in range(times):
            self.start(self.plan())
            self.finish_all()
            self.pass_(seconds=seconds)

    def start(self, plan: plans.Plan, most: int | None = None) -> None:
        """Begins the first ``most`` of a plan's actions, and stops there as if the power had gone."""
        for action in plan.changes[:most]:
            self.begin(action)

    def begin(self, action: actions.Action) -> None:
        match action:
            case actions.Interrupt(ref=ref):
                self.jobs[ref].running = replace(self.jobs[ref].running, interrupting=True)
            case actions.Confirm(key=key):
                pull = self.pulls.get(key)
                self.confirmed[key] = pull.state if pull else PullState.GONE
            case actions.Expire(key=key, commit=commit):
                self.marks[key, commit] = None
                self.said[key, commit] = action.reason
            case actions.Unlabel(key=key, commit=commit):
                self.marks[key, commit] = self.labels_ours
                if self.labels_ours:
                    self.pulls[key].labels = frozenset()
            case actions.Revive(key=key, commit=commit):
                del self.marks[key, commit]
                self.pulls[key].seen = self.now
            case actions.Purge(target=target, name=name):
                assert name not in {record.tag.name for record in self.stacks.values() if record.tag}
                self.targets[target].discard(name)
                self.guarded.append(self.now)
            case actions.Create() | actions.Update() | actions.Retag() | actions.Destroy():
                self._occupy(action)
            case actions.Sleep() | actions.Wake():
                self._occupy(action)

    def _occupy(self, action: Operated) -> None:
        ref = action.ref
        assert ref not in self.jobs, f"two operations at once for {ref}"
        assert names.parse(ref) is not None, f"{ref} is not ours"
        assert isinstance(action, actions.Create) != (ref in self.stacks), (
            f"{ref} is made twice, or not there to change"
        )
        verbs = {
            actions.Destroy: Verb.DESTROY,
            actions.Retag: Verb.RETAG,
            actions.Sleep: Verb.SLEEP,
            actions.Wake: Verb.WAKE,
        }
        commit = action.spec.source.commit if isinstance(action, actions.Create | actions.Update) else ""
        running = Running(ref, verbs.get(type(action), Verb.UP), commit, self.now, self.superseded[ref])
        self.jobs[ref] = Job(action, running)
        self.started.append(action)
        if isinstance(action, actions.Destroy) and action.guarded:
            self.guarded.append(self.now)
        light = sum(job.running.verb in (Verb.SLEEP, Verb.WAKE) for job in self.jobs.values())
        assert light <= self.policy.light_most
        assert len(self.jobs) - light <= self.policy.max_concurrent
        if isinstance(action, actions.Sleep | actions.Wake):  # first of all the tag says that it is half-way
            asleep = action.tag.asleep or (found.asleep if (found := self.stacks[ref].tag) else None) or self.now
            half = replace(action.tag, asleep=asleep, awake_until=None, half=True)
            self.stacks[ref] = replace(self.stacks[ref], tag=half)
        self._check_rooms()

    def _check_rooms(self) -> None:
        made = {ref for ref, job in self.jobs.items() if isinstance(job.action, actions.Create)}
        held = Counter(found[0] for ref in {*self.stacks, *made} if (found := names.parse(ref)))
        assert held.total() <= self.policy.max_environments
        assert all(number <= self.policy.max_per_repository for number in held.values())

    def finish_all(self) -> None:
        for ref in list(self.jobs):
            self.finish(ref)

    def finish(self, ref: StackRef) -> None:
        job = self.jobs.pop(ref)
        match job.action:
            case actions.Destroy(name=name):
                self._destroyed(ref, name)
            case actions.Retag(tag=tag):
                self.stacks[ref] = replace(self.stacks[ref], tag=tag)
                self.intents = [intent for intent in self.intents if intent.ref != ref]
            case actions.Sleep(tag=tag) | actions.Wake(tag=tag):
                self._rested(ref, job.running.verb, tag)
            case actions.Create() | actions.Update():
                self._built(ref, job.action, job.running.interrupting)

    def crash(self) -> None:
        """``kill -9``: everything under way is lost, and what is in memory with it."""
        for ref, job in list(self.jobs.items()):
            if isinstance(job.action, actions.Create | actions.Update):
                old = self.stacks.get(ref) or StackRecord(ref)
                self.stacks[ref] = replace(old, pending=1, tag=job.action.tag or old.tag)
                self.targets["local"].add(job.action.spec.name)
        self.jobs.clear()
        self.failures.clear()
        self.confirmed.clear()
        self.superseded.clear()
        self.health.clear()

    def _built(self, ref: StackRef, action: actions.Create | actions.Update, interrupted: bool) -> None:
        commit = action.spec.source.commit
        failed = commit in self.failing
        outcome = Outcome.CANCELLED if interrupted else Outcome.FAILED if failed else Outcome.SUCCEEDED
        old = self.stacks.get(ref) or StackRecord(ref)
        history = (*old.history, Update(Verb.UP, commit, outcome, self.now))
        record = replace(
            old, tag=action.tag or old.tag, history=history, resources=3, pending=int(interrupted), locks=()
        )
        self.targets["local"].add(action.spec.name)
        self.superseded[ref] = self.superseded[ref] + 1 if interrupted else 0
        if outcome is Outcome.SUCCEEDED:
            built = Built(commit, action.spec.digest, "1", "local", f"http://{action.spec.host}", {}, self.now)
            record = replace(record, built=built)
            self.failures.pop(ref, None)
            self.intents = [intent for intent in self.intents if intent.ref != ref]
            self._caught_up(ref, commit)
        else:
            self.failures[ref] = self._result(ref, Verb.UP, outcome, commit, "the build command failed")
        self.stacks[ref] = record

    def _rested(self, ref: StackRef, verb: Verb, tag: Tag) -> None:
        if ref in self.stuck:
            old = self.stacks[ref]
            self.stacks[ref] = replace(old, tag=replace(old.tag, half=False) if old.tag else None)
            self.failures[ref] = self._result(ref, verb, Outcome.FAILED, "", "service web ended 3 times")
            return
        self.stacks[ref] = replace(self.stacks[ref], tag=tag)
        self.intents = [intent for intent in self.intents if intent.ref != ref]
        self.failures.pop(ref, None)

    def _caught_up(self, ref: StackRef, commit: str) -> None:
        found = names.parse(ref)
        pull = self.pulls.get(Key(*found)) if found else None
        if pull is not None and pull.commit == commit:
            pull.behind_since = None

    def _destroyed(self, ref: StackRef, name: str) -> None:
        if ref in self.stuck:
            record = self.stacks[ref]
            history = (*record.history, Update(Verb.DESTROY, "", Outcome.FAILED, self.now))
            self.stacks[ref] = replace(record, history=history)
            self.failures[ref] = self._result(ref, Verb.DESTROY, Outcome.FAILED, "", "a namespace hangs")
            return
        del self.stacks[ref]
        self.targets["local"].discard(name)
        self.failures.pop(ref, None)
        self.health.pop(ref, None)
        self.approved.discard(str(ref))

    def _result(self, ref: StackRef, verb: Verb, outcome: Outcome, commit: str, error: str) -> OperationResult:
        return OperationResult(ref, verb, outcome, commit, self.now, self.now, error, "build", ("exit 1",))
