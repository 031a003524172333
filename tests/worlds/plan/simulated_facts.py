"""Pull requests, stacks and targets in memory: what people and machines do to them, and what is seen of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import (
    Confirmation,
    EnvironmentRequest,
    HealthStatus,
    Intent,
    IntentKind,
    RepositoryFacts,
    RunningOperation,
    TrafficSnapshot,
    World,
)
from orchestrator.core.planning import plan_actions
from orchestrator.core.suites.suite_results import SuiteRun, SuiteRuns
from orchestrator.forges.pull_requests import PullState
from orchestrator.sources.pull_requests import to_confirmation, unrequested
from stacks import keys, names
from stacks.model import (
    Key,
    OperationResult,
    StackRecord,
    StackRef,
    StackSnapshot,
)
from tests.worlds.plan.pull_requests import PREVIEW, START, SimulatedPull, sha

FOREIGN = StackRef("payroll", "production")


@dataclass
class Job:
    action: plan_actions.Action
    running: RunningOperation


class SimulatedFacts:
    """Facts, a clock, and what people and machines do to them."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy(debounce=timedelta(0))
        self.now = START
        self.names = {1: "acme/shop", 2: "acme/wiki"}
        self.incomplete: set[int] = set()
        self.stacks_complete = True
        self.pulls: dict[Key, SimulatedPull] = {}
        self.stacks: dict[StackRef, StackRecord] = {FOREIGN: StackRecord(FOREIGN, resource_count=9)}
        self.jobs: dict[StackRef, Job] = {}
        self.targets: dict[str, set[str]] = {"local": set()}
        self.marks: dict[tuple[Key, str], bool | None] = {}
        """What expired, and whether its label was taken off."""
        self.expiry_reasons: dict[tuple[Key, str], str] = {}
        self.can_remove_labels = True
        self.confirmed: dict[Key, PullState] = {}
        self.failing: set[str] = set()
        self.stuck: set[StackRef] = set()
        self.failures: dict[StackRef, OperationResult] = {}
        self.health: dict[StackRef, HealthStatus] = {}
        self.intents: list[Intent] = []
        self.traffic: TrafficSnapshot | None = None
        self.running_suites: set[StackRef] = set()
        self.guarded_destroys: list[datetime] = []
        self.approved_plans: set[str] = set()
        self.approved: set[str] = set()
        self.superseded: Counter[StackRef] = Counter()
        self.started: list[plan_actions.Action] = []

    # What people and machines do.

    def open_pull(self, number: int, commit: str = "aaaaaaa", repository: int = 1, **facts: Any) -> StackRef:
        key = keys.pull_request(repository, number)
        self.pulls[key] = SimulatedPull(key, sha(commit), seen=self.now, behind_since=self.now, **facts)
        return self.ref(number, repository)

    def push(self, number: int, commit: str, repository: int = 1) -> None:
        pull = self.pulls[keys.pull_request(repository, number)]
        pull.commit, pull.seen = sha(commit), self.now
        pull.behind_since = pull.behind_since or self.now

    def close_pull(self, number: int, repository: int = 1) -> None:
        self.change(number, repository, state=PullState.CLOSED)

    def merge(self, number: int, repository: int = 1) -> None:
        self.change(number, repository, state=PullState.MERGED)

    def label(self, number: int, repository: int = 1) -> None:
        self.change(number, repository, labels=PREVIEW)

    def unlabel(self, number: int, repository: int = 1) -> None:
        self.change(number, repository, labels=frozenset())

    def change(self, number: int, repository: int = 1, **facts: object) -> None:
        for name, value in facts.items():
            setattr(self.pulls[keys.pull_request(repository, number)], name, value)

    def request_action(self, kind: str, number: int, until: datetime | None = None) -> None:
        self.intents.append(Intent(self.ref(number), IntentKind(kind), "bob", self.now, until))

    def visit(self, number: int, knock: bool = False) -> None:
        """As the gateway writes it down, which watches on."""
        self.record_traffic()
        assert self.traffic is not None
        built = self.stacks[self.ref(number)].built
        assert built is not None
        host = built.url.removeprefix("http://")
        knocks = {**self.traffic.wake_requests, **({host: self.now} if knock else {})}
        self.traffic = replace(
            self.traffic, last_requests={**self.traffic.last_requests, host: self.now}, wake_requests=knocks
        )

    def record_traffic(self) -> None:
        """The gateway has seen everything up to now; what it did not know it noticed just now."""
        known = self.traffic or TrafficSnapshot(self.now)
        built = [record.built for record in self.stacks.values() if record.built]
        hosts = {each.url.removeprefix("http://") for each in built}
        self.traffic = replace(
            known, observed_until=self.now, last_requests={**dict.fromkeys(hosts, self.now), **known.last_requests}
        )

    def report_health(self, number: int, ok: bool = True, ago: timedelta = timedelta(0)) -> None:
        ref = self.ref(number)
        built = self.stacks[ref].built
        assert built is not None
        self.health[ref] = HealthStatus(ok, built.commit, self.now, self.now - ago, "" if ok else "502 from the app")

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)

    def edit_record(self, number: int, **facts: Any) -> None:
        """Changes what the store says of a stack."""
        ref = self.ref(number)
        self.stacks[ref] = replace(self.stacks[ref], **facts)

    # What is seen of it.

    def ref(self, number: int, repository: int = 1) -> StackRef:
        key = keys.pull_request(repository, number)
        for ref in self.stacks:
            if names.parse(ref) == key:
                return ref
        return names.stack_ref(keys.pull_request(repository, number), self.names[repository])

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
            recent_destroys=tuple(self.guarded_destroys),
            target_environments={target: frozenset(found) for target, found in self.targets.items()},
            intents=tuple(self.intents),
            traffic=self.traffic,
            suite_runs=SuiteRuns(running={SuiteRun(ref, "", "browser"): self.now for ref in self.running_suites}),
            approved_plans=frozenset(self.approved_plans),
            approved_destroys=frozenset(self.approved),
            waiting_since={key: pull.behind_since for key, pull in self.pulls.items() if pull.behind_since},
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
            {key: self._request(key) for key in labelled},
            frozenset(open_),
            {key: unrequested(self.names[repository], self.pulls[key].on_host) for key in open_},
            {key: self._confirmed_pull(key, state) for key, state in confirmed.items() if key not in open_},
        )

    def _request(self, key: Key) -> EnvironmentRequest:
        mark = (key, self.pulls[key].commit)
        found = self.pulls[key].request(self.names[key.repository], mark in self.marks)
        return replace(found, label_removed=self.marks.get(mark), expiry_reason=self.expiry_reasons.get(mark, ""))

    def _confirmed_pull(self, key: Key, state: PullState) -> Confirmation:
        pull = self.pulls.get(key) or SimulatedPull(key, sha("0"))
        return to_confirmation(self.names[key.repository], replace(pull.on_host, state=state))
