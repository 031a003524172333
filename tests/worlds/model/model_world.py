"""The world of a history: people at a Git host that may lie, a machine that breaks, and ephd between them.

``act`` does one step and lets a moment pass; ``calm`` ends all that is broken and lives until everything is right, or
says what is not. Truth is kept here, beside what Eph is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

from orchestrator.core.model.policy import Backoff, Policy
from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import EXPIRED, ForgeError, Repository, expired_mark
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.port import Ledger
from orchestrator.runtime.cycles import CycleResult
from stacks import keys, names
from stacks.model import Key, Operation, StackRef, StackTag
from tests.worlds.model import invariants
from tests.worlds.model.ephd_process import EphdDependencies, EphdHome, ModelEphd
from tests.worlds.model.machine import ModelMachine
from tests.worlds.model.problems import Problem
from tests.worlds.model.unreliable_forge import HEALTHY, UnreliableForge
from tests.worlds.model.virtual_loop import THREAD_SECONDS, VirtualLoop

START = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
TTL = timedelta(minutes=40)
POLICY = Policy(
    max_environments=6,
    max_per_repository=4,
    max_concurrent=3,
    ttl_default=TTL,
    ttl_max=timedelta(hours=6),
    destroy_min=2,
    backoff=Backoff(initial=timedelta(seconds=5), maximum=timedelta(minutes=1), max_attempts=4),
)
EPH_YAML = 'version: "1.0"\nname: shop\nservices:\n  - name: web\n    command: serve\n'
BAD_YAML = EPH_YAML + "servces: []\n"
SETTLE_SECONDS = 900.0
"""Virtual seconds that the quiet may take until everything is right."""
REREAD_SECONDS = 60.0
"""Within this time everything outside is read again, and reported."""
STABLE_SECONDS = 70.0
"""What is right must stay right for that long: two cycles and more."""
CONFIRMATION_SECONDS = 200.0
"""Seconds in which an answer of the Git host may still be acted on: it is confirmed for two minutes, and an operation
takes a while."""


class ModelWorld:
    """A history happens in it, one step after the other. Close it."""

    def __init__(
        self, policy: Policy = POLICY, ledger: Callable[[ModelWorld], Ledger] = lambda _: MemoryLedger()
    ) -> None:
        self._loop = VirtualLoop()
        self.policy = policy
        self.clock_skew = timedelta(0)
        self.machine = ModelMachine(self.clock)
        self.machine.on_destroy = self._check_destroy
        self.forge = UnreliableForge(self._check_mark)
        self.ledger = ledger(self)
        self.cycles = self.rounds = 0
        self.cycle_times: list[float] = []
        self.home = EphdHome()
        self.problems: list[Problem] = []
        self.repositories = [self.forge.create_repository(f"{owner}/shop", {"eph.yaml": EPH_YAML}) for owner in "ab"]
        for repository in self.repositories:
            self.forge.grant_write(repository, "ada")
        self.undesired_at: dict[Key, float] = {}
        self.desired_at: dict[Key, float] = {}
        self.last_lie_at = self.last_incomplete_at = -1e9
        self.started_at = 0.0
        self.twins: set[StackRef] = set()
        self.swapped: dict[StackRef, StackTag] = {}
        self.pushed_at: dict[str, datetime] = {}
        self.wrong_destroys: list[float] = []
        self.unanswered: dict[str, tuple[str, float]] = {}
        self.branches = 0
        self.starts = 0
        self.dependencies = EphdDependencies(
            self.forge,
            self.machine,
            self.ledger,
            policy,
            self.clock,
            self.home,
            lambda shown: invariants.check_cycle(self, shown),
        )
        self.ephd: ModelEphd | None = None
        self._run(self._begin())

    # --- time and lives

    @property
    def time(self) -> float:
        return self._loop.time()

    def clock(self) -> datetime:
        return START + timedelta(seconds=self._loop.time()) + self.clock_skew

    def _run(self, work: Awaitable[None]) -> None:
        self._loop.run_until_complete(work)

    async def _begin(self) -> None:
        self.starts += 1
        self.started_at = self.time
        self.ephd = ModelEphd(self.dependencies)

    def set_thread_delay(self, seconds: float) -> None:
        self._loop.thread_seconds = seconds

    def run_for(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))
        self.record_truth()

    def crash(self, downtime: float, kill_operations: bool) -> None:
        """``kill -9`` of ephd, and ``downtime`` seconds later a new one. ``kill_operations``: its operations die with
        it."""
        self._run(self._crash(downtime, kill_operations))

    async def _crash(self, downtime: float, kill_operations: bool) -> None:
        if self.ephd is not None:
            self.machine.abandon(kill_operations)
            await self.ephd.kill()
        await asyncio.sleep(downtime)
        await self._begin()

    def close(self) -> None:
        if self.ephd is not None:
            self._run(self.ephd.kill())
        for worker in list(self.machine.workers):
            if worker.task is not None:
                worker.task.cancel()
        self._run(asyncio.sleep(1))
        self._loop.close()

    # --- truth

    def pulls(self) -> Iterator[PullRequest]:
        for repository in self.repositories:
            home = self.forge._repositories[repository.id]
            yield from home.pulls.values()

    def repository(self, key: Key) -> Repository:
        return self.forge._repositories[key.repository].repository

    def key(self, ref: StackRef) -> Key:
        found = names.parse(ref)
        assert found is not None, f"{ref} is not ours"
        return found

    def desired_commit(self, key: Key) -> str:
        """The commit that should run there; empty when nothing should."""
        pull = self.forge._repositories[key.repository].pulls.get(key.number)
        if pull is None or not self.is_allowed(pull) or self.expired(pull):
            return ""
        return pull.head_sha if self.is_valid(pull) else ""

    def is_allowed(self, pull: PullRequest) -> bool:
        asks = pull.state is PullState.OPEN and "preview" in pull.labels
        return asks and not pull.from_fork and pull.author == "ada"

    def is_valid(self, pull: PullRequest) -> bool:
        home = self.forge._repositories[pull.key.repository]
        return (
            b"servces" not in home.files[pull.head_sha]["eph.yaml"] and pull.head_sha not in self.machine.broken_commits
        )

    def expired(self, pull: PullRequest) -> bool:
        marks = self.forge._repositories[pull.key.repository].marks.get(pull.head_sha, {})
        return bool(marks.get(EXPIRED) or marks.get(expired_mark(f"pr-{pull.key.number}")))

    def may_exist(self, key: Key) -> bool:
        """What exists may: its newest commit cannot be built, or its time ran out and people asked for more."""
        pull = self.forge._repositories[key.repository].pulls.get(key.number)
        if pull is None or pull.state is not PullState.OPEN or "preview" not in pull.labels:
            return False
        return not self.is_valid(pull) or (self.expired(pull) and self._extended(key)) or not self.is_allowed(pull)

    def _extended(self, key: Key) -> bool:
        tags = [tag for ref, tag in self.machine.tags.items() if self.key(ref) == key]
        return any(tag.extended_until is not None for tag in tags)

    def record_truth(self) -> None:
        """Remembers when a pull request was last not wanted, and since when a URL does not answer."""
        for key in {*self.undesired_at, *(pull.key for pull in self.pulls())}:
            wanted = self.desired_commit(key)
            if not wanted:
                self.undesired_at[key] = self.time
            if wanted or self.may_exist(key):
                self.desired_at[key] = self.time
        if self.forge.mood != HEALTHY or self.machine.faults.incomplete:
            self.last_incomplete_at = self.time
        if self.forge.mood == "gone":
            self.last_lie_at = self.time

    def pull_counts(self) -> list[int]:
        """Of pull requests that there ever were, by repository."""
        return [self.forge._repositories[repository.id].last_number for repository in self.repositories]

    def last_cycle(self) -> CycleResult:
        return self.ephd.last_cycle if self.ephd is not None else CycleResult()

    def prune(self) -> None:
        """What only this world remembers of what is over, so that a long history shows what ephd remembers."""
        there = {self.key(ref) for ref in self.machine.states}
        for repository in self.repositories:
            home = self.forge._repositories[repository.id]
            for pull in [pull for pull in home.pulls.values() if pull.state is not PullState.OPEN]:
                if pull.key not in there:
                    del home.pulls[pull.key.number]
                    home.branches.pop(pull.head_ref, None)
            living = {pull.head_sha for pull in home.pulls.values()} | set(home.branches.values())
            home.files = {sha: files for sha, files in home.files.items() if sha in living}
            home.marks = {sha: marks for sha, marks in home.marks.items() if sha in living}
            home.reports = {what: report for what, report in home.reports.items() if what[0] in living}
            home.comments = {number: said for number, said in home.comments.items() if number in home.pulls}
            home.deployments.clear()
        known = {pull.key for pull in self.pulls()} | there
        for seen in (self.undesired_at, self.desired_at):
            for key in seen.keys() - known:
                del seen[key]
        self.pushed_at = {sha: at for sha, at in self.pushed_at.items() if any(p.head_sha == sha for p in self.pulls())}
        self.unanswered.clear()
        self.machine.prune()

    # --- what happens

    def commit(self, repository: Repository, branch: str, text: str = EPH_YAML, broken: bool = False) -> str:
        self.branches += 1
        sha = self.forge.push(repository, branch, {"eph.yaml": text, "text": str(self.branches)})
        self.pushed_at[sha] = self.clock()
        if broken:
            self.machine.broken_commits.add(sha)
        return sha

    def open_pull(self, repository: Repository, by: str = "ada", from_fork: bool = False) -> int:
        branch = f"branch-{self.branches}"
        self.commit(repository, branch)
        number = self.forge.open_pull(repository, branch, branch, by, from_fork)
        self.forge.label(repository, number, "preview")
        self.undesired_at[keys.pull_request(repository.id, number)] = self.time
        return number

    def send_webhook(self) -> None:
        """A webhook comes."""
        if self.ephd is not None:
            self.ephd.wakeups.wake(refresh=True)

    def view(self, key: Key) -> EnvironmentView | None:
        shown = self.ephd.last_cycle if self.ephd is not None else CycleResult()
        return next((view for view in shown.views if view.key == key), None)

    def request_action(self, kind: str, key: Key, until: datetime | None = None) -> None:
        """As ``LocalDesk`` does for a person; what is not shown cannot be asked for."""
        view = self.view(key)
        if view is None or self.ephd is None:
            return
        if kind == "down":
            try:
                self.forge.remove_label(self.repository(key), key.number, "preview")
            except ForgeError:
                return  # they are told so, and nothing is done
        self.ephd.facts.intents.add(Intent(view.ref, IntentKind(kind), "bob", self.clock(), until))
        self.ephd.wakeups.wake(refresh=True)

    # --- what is watched as it happens

    def _check_destroy(self, operation: Operation) -> None:
        self.record_truth()
        key = self.key(operation.ref)
        if not self.desired_commit(key) or self.time - self.undesired_at.get(key, -1e9) < CONFIRMATION_SECONDS:
            return
        if self.time - self.last_lie_at > CONFIRMATION_SECONDS:
            self.problems.append(
                Problem("lost", f"{operation.ref} is destroyed, and {self.desired_commit(key)[:7]} is wanted")
            )
            return
        self.wrong_destroys = [moment for moment in self.wrong_destroys if self.time - moment < 3600] + [self.time]
        most = max(
            self.policy.destroy_min,
            int(self.policy.destroy_share * (len(self.machine.states) + len(self.wrong_destroys))),
        )
        if len(self.wrong_destroys) > most:
            self.problems.append(Problem("excess", f"{len(self.wrong_destroys)} went within an hour because of a lie"))

    def _check_mark(self, repository: Repository, sha: str, mark: str, text: str) -> None:
        """The mark of expiry is a death sentence: it must not come early. One that is lifted starts the time anew."""
        number = int(mark.rpartition("-")[2]) if mark.startswith(f"{EXPIRED}/pr-") else 0
        if not number or self.forge._repositories[repository.id].marks.get(sha, {}).get(mark):
            self.pushed_at[sha] = self.clock() if not text else self.pushed_at.get(sha, START)
            return
        early = self.clock() < self.pushed_at.get(sha, START) + self.policy.ttl_default - timedelta(seconds=2)
        tags = [
            tag for ref, tag in self.machine.tags.items() if self.key(ref) == keys.pull_request(repository.id, number)
        ]
        longer = any(tag.extended_until is not None and tag.extended_until > self.clock() for tag in tags)
        if text and (early or longer) and not self.clock_changed:
            self.problems.append(Problem("lost", f"{sha[:7]} of {repository.full_name} is marked as expired too early"))

    clock_changed = False

    # --- the quiet

    def heal_and_settle(self) -> list[Problem]:
        """Everything that was broken outside works again; then all must come right by itself."""
        self.set_thread_delay(THREAD_SECONDS)
        self.forge.mood = HEALTHY
        spoilt = self.machine.faults
        for broken in (spoilt.unreadable, spoilt.failing, spoilt.slow, spoilt.hanging, spoilt.unresponsive):
            broken.clear()
        spoilt.incomplete = spoilt.target_down = False
        for ref in [ref for ref, lock in self.machine.locks.items() if lock.host == "elsewhere"]:
            del self.machine.locks[ref]  # the operator did as the page says
        for ref in self.twins:
            self.machine.remove(ref)
        self.machine.tags |= {ref: tag for ref, tag in self.swapped.items() if ref in self.machine.tags}
        self.run_for(REREAD_SECONDS)  # until then, plan and comments still show what the Git host's lies led to
        self._retry_failed()
        self.approve()
        return self._wait_until_right()

    def _retry_failed(self) -> None:
        """As people do when the trouble is over: what would wait for its next try is tried now."""
        for view in self.ephd.last_cycle.views if self.ephd else ():
            if view.phase in (Phase.FAILED, Phase.STALLED) and view.key is not None:
                self.request_action("retry", view.key)

    def approve(self) -> None:
        """As ``LocalDesk.approve`` does for an operator: what is held now, and nothing else."""
        plan = self.ephd.last_cycle.plan if self.ephd is not None else None
        if plan is not None and plan.digest and self.ephd is not None:
            self.ephd.facts.approvals.approve_plan(plan.digest, self.clock())

    def _wait_until_right(self) -> list[Problem]:
        end, right_since = self.time + SETTLE_SECONDS, None
        while True:
            self.run_for(10)
            self.approve()
            if right_since is None and int(self.time - end) % 60 < 10:
                self._retry_failed()
            wrong = invariants.final_problems(self)
            if wrong and (right_since is not None or self.problems_so_far()):
                return wrong
            if wrong and self.time > end:
                return wrong
            right_since = None if wrong else right_since or self.time
            if right_since is not None and self.time - right_since > STABLE_SECONDS:
                return []

    def problems_so_far(self) -> list[Problem]:
        """What was wrong so far, as it happened."""
        return [*self.problems, *self.machine.problems]


@contextlib.contextmanager
def running_world(policy: Policy = POLICY) -> Iterator[ModelWorld]:
    world = ModelWorld(policy)
    try:
        yield world
    finally:
        world.close()


StepFunction = Callable[[ModelWorld, int, int], None]
