"""The world of a history: people at a Git host that may lie, a machine that breaks, and ephd between them.

``act`` does one step and lets a moment pass; ``calm`` ends all that is broken and lives until everything is right, or
says what is not. Truth is kept here, beside what Eph is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from orchestrator.core.model import Intent, Key, PullRequest, PullState
from orchestrator.core.phases import Phase
from orchestrator.core.policy import Backoff, Policy
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import EXPIRED, ForgeError, Repository, expired_mark
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.port import Ledger
from orchestrator.runtime.loop import Shown
from stacks import names
from stacks.model import Operation, StackRef, Tag
from tests.model import looking
from tests.model.hosts import HONEST, LyingForge
from tests.model.life import Ground, Home, Life
from tests.model.machine import Machine
from tests.model.problems import Problem
from tests.model.times import THREAD, VirtualLoop

START = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
TTL = timedelta(minutes=40)
POLICY = Policy(
    max_environments=6,
    max_per_repository=4,
    max_concurrent=3,
    ttl_default=TTL,
    ttl_most=timedelta(hours=6),
    destroy_least=2,
    backoff=Backoff(first=timedelta(seconds=5), most=timedelta(minutes=1), tries=4),
)
EPH_YAML = 'version: "1.0"\nname: shop\nservices:\n  - name: web\n    command: serve\n'
BAD_YAML = EPH_YAML + "servces: []\n"
PATIENCE = 900.0
"""Virtual seconds that the quiet may take until everything is right."""
STAYS = 70.0
"""What is right must stay right for that long: two cycles and more."""
LATELY = 200.0
"""Seconds in which an answer of the Git host may still be acted on: it is confirmed for two minutes, and an operation
takes a while."""


class World:
    """A history happens in it, one step after the other. Close it."""

    def __init__(self, policy: Policy = POLICY, ledger: Callable[[World], Ledger] = lambda _: MemoryLedger()) -> None:
        self._loop = VirtualLoop()
        self.policy = policy
        self.skew = timedelta(0)
        self.machine = Machine(self.clock)
        self.machine.destroying = self._destroying
        self.forge = LyingForge(self._marking)
        self.ledger = ledger(self)
        self.cycles = self.rounds = 0
        self.turns: list[float] = []
        self.home = Home()
        self.problems: list[Problem] = []
        self.repositories = [self.forge.create_repository(f"{owner}/shop", {"eph.yaml": EPH_YAML}) for owner in "ab"]
        for repository in self.repositories:
            self.forge.allow(repository, "ada")
        self.unwanted_at: dict[Key, float] = {}
        self.wanted_at: dict[Key, float] = {}
        self.lied_at = self.misled_at = -1e9
        self.born = 0.0
        self.twins: set[StackRef] = set()
        self.swapped: dict[StackRef, Tag] = {}
        self.pushed_at: dict[str, datetime] = {}
        self.taken: list[float] = []
        self.silent: dict[str, tuple[str, float]] = {}
        self.branches = 0
        self.lives = 0
        self.ground = Ground(
            self.forge,
            self.machine,
            self.ledger,
            policy,
            self.clock,
            self.home,
            lambda shown: looking.shown(self, shown),
        )
        self.life: Life | None = None
        self._run(self._begin())

    # --- time and lives

    @property
    def time(self) -> float:
        return self._loop.time()

    def clock(self) -> datetime:
        return START + timedelta(seconds=self._loop.time()) + self.skew

    def _run(self, work: object) -> None:
        self._loop.run_until_complete(work)

    async def _begin(self) -> None:
        self.lives += 1
        self.born = self.time
        self.life = Life(self.ground)

    def lag(self, seconds: float) -> None:
        self._loop.thread_takes = seconds

    def pass_(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))
        self.note()

    def crash(self, down: float, dead: bool) -> None:
        """``kill -9`` of ephd, and ``down`` seconds later a new one. ``dead``: its operations die with it."""
        self._run(self._crash(down, dead))

    async def _crash(self, down: float, dead: bool) -> None:
        if self.life is not None:
            self.machine.abandon(dead)
            await self.life.die()
        await asyncio.sleep(down)
        await self._begin()

    def close(self) -> None:
        if self.life is not None:
            self._run(self.life.die())
        for worker in list(self.machine.workers):
            if worker.task is not None:
                worker.task.cancel()
        self._run(asyncio.sleep(1))
        self._loop.close()

    # --- truth

    def pulls(self) -> Iterator[PullRequest]:
        for repository in self.repositories:
            home = self.forge._homes[repository.id]
            yield from home.pulls.values()

    def repository(self, key: Key) -> Repository:
        return self.forge._homes[key.repository].repository

    def key(self, ref: StackRef) -> Key:
        found = names.parse(ref)
        assert found is not None, f"{ref} is not ours"
        return Key(*found)

    def wanted(self, key: Key) -> str:
        """The commit that should run there; empty when nothing should."""
        pull = self.forge._homes[key.repository].pulls.get(key.number)
        if pull is None or not self.may_run(pull) or self.expired(pull):
            return ""
        return pull.head_sha if self.is_valid(pull) else ""

    def may_run(self, pull: PullRequest) -> bool:
        asks = pull.state is PullState.OPEN and "preview" in pull.labels
        return asks and not pull.from_fork and pull.author == "ada"

    def is_valid(self, pull: PullRequest) -> bool:
        home = self.forge._homes[pull.key.repository]
        return (
            b"servces" not in home.files[pull.head_sha]["eph.yaml"] and pull.head_sha not in self.machine.broken_commits
        )

    def expired(self, pull: PullRequest) -> bool:
        marks = self.forge._homes[pull.key.repository].decisions.get(pull.head_sha, {})
        return bool(marks.get(EXPIRED) or marks.get(expired_mark(f"pr-{pull.key.number}")))

    def may_stay(self, key: Key) -> bool:
        """What exists may: its newest commit cannot be built, or its time ran out and people asked for more."""
        pull = self.forge._homes[key.repository].pulls.get(key.number)
        if pull is None or pull.state is not PullState.OPEN or "preview" not in pull.labels:
            return False
        return not self.is_valid(pull) or (self.expired(pull) and self._extended(key)) or not self.may_run(pull)

    def _extended(self, key: Key) -> bool:
        tags = [tag for ref, tag in self.machine.tags.items() if self.key(ref) == key]
        return any(tag.extended_until is not None for tag in tags)

    def note(self) -> None:
        """Remembers when a pull request was last not wanted, and since when a URL does not answer."""
        for key in {*self.unwanted_at, *(pull.key for pull in self.pulls())}:
            wanted = self.wanted(key)
            if not wanted:
                self.unwanted_at[key] = self.time
            if wanted or self.may_stay(key):
                self.wanted_at[key] = self.time
        if self.forge.mood != HONEST or self.machine.spoilt.incomplete:
            self.misled_at = self.time
        if self.forge.mood == "gone":
            self.lied_at = self.time

    def numbers(self) -> list[int]:
        """Of pull requests that there ever were, by repository."""
        return [self.forge._homes[repository.id].numbers for repository in self.repositories]

    def shown(self) -> Shown:
        return self.life.loop.shown if self.life is not None else Shown()

    def forget_the_past(self) -> None:
        """What only this world remembers of what is over, so that a long history shows what ephd remembers."""
        there = {self.key(ref) for ref in self.machine.states}
        for repository in self.repositories:
            home = self.forge._homes[repository.id]
            for pull in [pull for pull in home.pulls.values() if pull.state is not PullState.OPEN]:
                if pull.key not in there:
                    del home.pulls[pull.key.number]
                    home.branches.pop(pull.head_ref, None)
            living = {pull.head_sha for pull in home.pulls.values()} | set(home.branches.values())
            home.files = {sha: files for sha, files in home.files.items() if sha in living}
            home.decisions = {sha: marks for sha, marks in home.decisions.items() if sha in living}
            home.reports = {what: report for what, report in home.reports.items() if what[0] in living}
            home.comments = {number: said for number, said in home.comments.items() if number in home.pulls}
            home.deployments.clear()
        known = {pull.key for pull in self.pulls()} | there
        for seen in (self.unwanted_at, self.wanted_at):
            for key in seen.keys() - known:
                del seen[key]
        self.pushed_at = {sha: at for sha, at in self.pushed_at.items() if any(p.head_sha == sha for p in self.pulls())}
        self.silent.clear()
        self.machine.forget_the_past()

    # --- what happens

    def commit(self, repository: Repository, branch: str, text: str = EPH_YAML, broken: bool = False) -> str:
        self.branches += 1
        sha = self.forge.push(repository, branch, {"eph.yaml": text, "text": str(self.branches)})
        self.pushed_at[sha] = self.clock()
        if broken:
            self.machine.broken_commits.add(sha)
        return sha

    def open(self, repository: Repository, by: str = "ada", from_fork: bool = False) -> int:
        branch = f"branch-{self.branches}"
        self.commit(repository, branch)
        number = self.forge.open_pull(repository, branch, branch, by, from_fork)
        self.forge.label(repository, number, "preview")
        self.unwanted_at[Key(repository.id, number)] = self.time
        return number

    def hook(self) -> None:
        """A webhook comes."""
        if self.life is not None:
            self.life.wakeups.wake(look=True)

    def view(self, key: Key) -> EnvironmentView | None:
        shown = self.life.loop.shown if self.life is not None else Shown()
        return next((view for view in shown.views if view.key == key), None)

    def ask(self, kind: str, key: Key, until: datetime | None = None) -> None:
        """As ``LocalDesk`` does for a person; what is not shown cannot be asked for."""
        view = self.view(key)
        if view is None or self.life is None:
            return
        if kind == "down":
            try:
                self.forge.remove_label(self.repository(key), key.number, "preview")
            except ForgeError:
                return  # they are told so, and nothing is done
        self.life.memory.intend(Intent(view.ref, kind, "bob", self.clock(), until))
        self.life.wakeups.wake(look=True)

    # --- what is watched as it happens

    def _destroying(self, operation: Operation) -> None:
        self.note()
        key = self.key(operation.ref)
        if not self.wanted(key) or self.time - self.unwanted_at.get(key, -1e9) < LATELY:
            return
        if self.time - self.lied_at > LATELY:
            self.problems.append(Problem("lost", f"{operation.ref} is destroyed, and {self.wanted(key)[:7]} is wanted"))
            return
        self.taken = [moment for moment in self.taken if self.time - moment < 3600] + [self.time]
        most = max(
            self.policy.destroy_least, int(self.policy.destroy_share * (len(self.machine.states) + len(self.taken)))
        )
        if len(self.taken) > most:
            self.problems.append(Problem("excess", f"{len(self.taken)} went within an hour because of a lie"))

    def _marking(self, repository: Repository, sha: str, mark: str, text: str) -> None:
        """The mark of expiry is a death sentence: it must not come early. One that is lifted starts the time anew."""
        number = int(mark.rpartition("-")[2]) if mark.startswith(f"{EXPIRED}/pr-") else 0
        if not number or self.forge._homes[repository.id].decisions.get(sha, {}).get(mark):
            self.pushed_at[sha] = self.clock() if not text else self.pushed_at.get(sha, START)
            return
        early = self.clock() < self.pushed_at.get(sha, START) + self.policy.ttl_default - timedelta(seconds=2)
        tags = [tag for ref, tag in self.machine.tags.items() if self.key(ref) == Key(repository.id, number)]
        longer = any(tag.extended_until is not None and tag.extended_until > self.clock() for tag in tags)
        if text and (early or longer) and not self.jumped:
            self.problems.append(Problem("lost", f"{sha[:7]} of {repository.full_name} is marked as expired too early"))

    jumped = False

    # --- the quiet

    def calm(self) -> list[Problem]:
        """Everything that was broken outside works again; then all must come right by itself."""
        self.lag(THREAD)
        self.forge.mood = HONEST
        spoilt = self.machine.spoilt
        for broken in (spoilt.unreadable, spoilt.failing, spoilt.slow, spoilt.hanging, spoilt.deaf):
            broken.clear()
        spoilt.incomplete = spoilt.target_down = False
        for ref in [ref for ref, lock in self.machine.locks.items() if lock.host == "elsewhere"]:
            del self.machine.locks[ref]  # the operator did as the page says
        for ref in self.twins:
            self.machine.remove(ref)
        self.machine.tags |= {ref: tag for ref, tag in self.swapped.items() if ref in self.machine.tags}
        self._ask_again()
        self.approve()
        return self._until_right()

    def _ask_again(self) -> None:
        """As people do when the trouble is over: what would wait for its next try is tried now."""
        for view in self.life.loop.shown.views if self.life else ():
            if view.phase in (Phase.FAILED, Phase.STALLED) and view.key is not None:
                self.ask("retry", view.key)

    def approve(self) -> None:
        """As ``LocalDesk.approve`` does for an operator: what is held now, and nothing else."""
        plan = self.life.loop.shown.plan if self.life is not None else None
        if plan is not None and plan.digest and self.life is not None:
            self.life.memory.approved_plans[plan.digest] = self.clock()

    def _until_right(self) -> list[Problem]:
        end, right_since = self.time + PATIENCE, None
        while True:
            self.pass_(10)
            self.approve()
            if right_since is None and int(self.time - end) % 60 < 10:
                self._ask_again()
            wrong = looking.wrong(self)
            if wrong and (right_since is not None or self.found()):
                return wrong
            if wrong and self.time > end:
                return wrong
            right_since = None if wrong else right_since or self.time
            if right_since is not None and self.time - right_since > STAYS:
                return []

    def found(self) -> list[Problem]:
        """What was wrong so far, as it happened."""
        return [*self.problems, *self.machine.wrong]


@contextlib.contextmanager
def opened(policy: Policy = POLICY) -> Iterator[World]:
    world = World(policy)
    try:
        yield world
    finally:
        world.close()


Act = Callable[[World, int, int], None]
