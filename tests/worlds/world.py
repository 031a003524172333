"""A whole Eph without processes, in virtual time: the real loop, memory, executor and reporter between a Git host in
memory (``FakeForge``) and stacks in memory (``FakeExecutor``).

Stories speak in the world's verbs (``push``, ``close``, ``live`` an hour) and look at what came of it: stacks, phases,
comments. Nobody sleeps: ``live`` lets the clock jump from one thing that is due to the next, as ``Loop.run`` would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from orchestrator.app.compose import compose
from orchestrator.app.ports import Options, Ports
from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import Intent
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.fake import FakeForge
from orchestrator.forges.port import Repository
from orchestrator.images.fake import FakeRegistries
from orchestrator.images.registry_policy import RegistryPolicy
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.lease import Lease, NoLease
from orchestrator.runtime.cycles import CycleListener, CycleResult
from orchestrator.runtime.fake import FakeGateway, FakeMemory, FakeTraffic
from orchestrator.runtime.observation.forge_reader import MAX_REFS
from orchestrator.runtime.observation.recipe_reader import ServerRules
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service.pending_reports import PendingReports
from programs.inventory import PROCESS_KINDS
from programs.runtime_info import LogLines, LogRequest
from stacks import keys, names
from stacks.backends.inventory import StackInventory
from stacks.executors.fake import FakeExecutor
from stacks.model import Key, StackRecord, StackRef
from tests.stack_folders import process_executor, worker_settings

NO_FOLDER = Path("no-such-folder")
START = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
"""With a fraction of a second: histories have none, and a moment that ended in both would look like two."""
INTERVAL = timedelta(seconds=30)
MAX_CYCLES_PER_MOMENT = 60
"""Cycles at one and the same moment: more is a loop that turns in a circle."""
EPH_YAML = """\
version: "1.0"
name: shop
services:
  - name: web
    command: python3 web.py
"""
BAD_YAML = EPH_YAML + "servces: []\n"


def eph_yaml(more: str = "") -> dict[str, str]:
    return {"eph.yaml": EPH_YAML + more}


class RecordingWakeups(Wakeups):
    """Says what woke it, so that virtual time need not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[bool] = []

    def wake(self, refresh: bool = False, scope: Key | int | None = None) -> None:
        self.recorded.append(refresh or scope is not None)

    def take(self) -> bool | None:
        """Whether the Git host must be asked; None: nobody woke."""
        noted, self.recorded = self.recorded, []
        return any(noted) if noted else None


class ObservedTarget(Protocol):
    """What a cycle asks of a target."""

    def list_environments(self, settings: Mapping[str, str], /) -> frozenset[str]: ...


class FakeMachine:
    """What lies on the machine: the parts of every stack, and leftovers."""

    def __init__(self, stacks: FakeExecutor) -> None:
        self._stacks = stacks
        self.leftovers: set[str] = set()
        self.unreadable = False
        self.printed: list[str] = []
        """What its services printed."""
        self.purge_error = ""
        self._lost: dict[str, int] = {}

    def lose(self, part: str) -> None:
        """It goes behind Eph's back, and comes again with an update that looks at what is there."""
        self._lost[part] = len(self._stacks.started)

    def live_resources(self, _: Mapping[str, str]) -> dict[str, frozenset[str]]:
        if self.unreadable:
            raise ConnectionError("the database server does not answer")
        parts = [
            part
            for record in self._stacks.records.values()
            for part in record.resource_names
            if not self._is_lost(part)
        ]
        kinds = ("Service", "Database")
        found = {kind: frozenset(p.partition(":")[2] for p in parts if p.startswith(f"{kind}:")) for kind in kinds}
        return {**found, PROCESS_KINDS: frozenset({"Service"})}

    def _is_lost(self, part: str) -> bool:
        since = self._lost.get(part)
        return since is not None and not any(each.refresh for each in self._stacks.started[since:])

    def list_environments(self, _: Mapping[str, str]) -> frozenset[str]:
        return frozenset(self.names_in_use() | self.leftovers)

    def names_in_use(self) -> set[str]:
        return {record.tag.name for record in self._stacks.records.values() if record.tag is not None}

    def purge(self, name: str, _: Mapping[str, str]) -> None:
        assert name not in self.names_in_use(), f"{name} lives, and its parts were purged"
        if self.purge_error:
            raise OSError(self.purge_error)
        self.leftovers.discard(name)

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        """Only asked whether it can; ``FakeStacks`` does it."""

    def wake(self, name: str, settings: Mapping[str, str], wait: bool = True) -> None:
        """The same."""

    def logs(self, name: str, settings: Mapping[str, str], query: LogRequest) -> LogLines:
        return LogLines(tuple(self.printed), {})


class World:
    """``unresponsive`` hosts answer no health check; ``heard`` holds what was asked of each."""

    def __init__(
        self, *, lease: Lease | None = None, folder: Path = NO_FOLDER, chat: bool = False, **policy: object
    ) -> None:
        """``folder``: where Eph keeps files, if the story reads any. ``chat``: whether Eph reads comments."""
        self.now = START
        self.policy = Policy(**policy)
        self.forge = FakeForge()
        self.shop = self.forge.create_repository("acme/shop", eph_yaml())
        self.forge.grant_write(self.shop, "ada")
        self.stacks = FakeExecutor(now=lambda: self.now)
        self.target = FakeMachine(self.stacks)
        self.targets: dict[str, ObservedTarget] = {"local": self.target}
        """Takes effect with the next ``restart``."""
        self.registries = FakeRegistries()
        self.ledger = MemoryLedger()
        self.lease: Lease = lease or NoLease()
        self.folder = folder
        self.worker = worker_settings(folder)
        self.stores = (self.worker.backend, process_executor(self.worker)) if folder != NO_FOLDER else ()
        self.pending_reports = PendingReports(folder / "owed.json" if folder != NO_FOLDER else None)
        self.listeners: list[CycleListener] = []
        self.unresponsive: set[str] = set()
        self.held_stacks: set[StackRef] = set()
        self.cycles = 0
        self._chat = chat
        self._branches = 0
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self._begin()

    # --- Eph itself

    def _begin(self) -> None:
        """A new process: everything that is in memory is new."""
        self.wakeups = RecordingWakeups()
        self.system = compose(self._ports(), self._options())
        self.memory, self.journal = self.system.state, self.system.journal
        self.loop, self.executor, self.monitor = self.system.loop, self.system.executor, self.system.monitor
        self.notifier = self.system.notifier

    def _ports(self) -> Ports:
        return Ports(
            forge=self.forge,
            inventory=StackInventory(self.stacks.backend),
            create_inventory=lambda: StackInventory(self.stacks.backend),
            operations=self.stacks,
            target=lambda name: self.targets.get(name, self.target),
            registries=lambda _: self.registries,
            ledger=self.ledger,
            lease=self.lease,
            probe=self._probe,
            gateway=FakeGateway(),
            traffic=FakeTraffic(),
            memory=FakeMemory(),
            clock=self.clock,
            sleep=self._sleep,
            wakeups=self.wakeups,
            pending_reports=self.pending_reports,
            stores=self.stores,
            listeners=(self._show_cycle,),
        )

    def _options(self) -> Options:
        both = frozenset({"local", "kubernetes"})
        bounds = AdmissionPolicy(installed_targets=both, allowed_targets=both)
        return Options(
            version="1",
            policy=self.policy,
            rules=ServerRules(bounds, b"k" * 32, "localhost", {name: dict[str, str]() for name in both}),
            targets={name: {} for name in self.targets},
            records=self.folder / "operations",
            image_access={"kubernetes": RegistryPolicy()},
            interval=INTERVAL,
            deadline=timedelta(minutes=10),
            max_refs=MAX_REFS,
            suite_slots=2,
            suite_token=lambda _: "",
            address="http://here",
        )

    def _show_cycle(self, cycle: CycleResult) -> None:
        for show in self.listeners:
            show(cycle)

    @property
    def last_cycle(self) -> CycleResult:
        return self.system.cycles.latest

    def clock(self) -> datetime:
        return self.now

    async def _probe(self, host: str, path: str) -> tuple[bool, str]:
        return host not in self.unresponsive, f"{path} answered {502 if host in self.unresponsive else 200}"

    async def _sleep(self, seconds: float) -> None:
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + timedelta(seconds=seconds), due))
        await due

    async def close(self) -> None:
        await self.monitor.close()
        for ref in list(self.held_stacks):
            self.release(ref)
        await self.stacks.close()
        await self.executor.close()

    async def restart(self) -> None:
        """``kill -9`` and a new start: operations die where they are, memory is gone."""
        self.stacks.crash()
        self.held_stacks.clear()
        await self.monitor.close()
        await self.executor.close()
        self._sleepers.clear()
        self._begin()

    # --- time

    async def cycle(self, look: bool = True) -> datetime:
        """One cycle, and everything that it started and that can end by itself."""
        self.cycles += 1
        due = await self.loop.cycle(look)
        await self.settle()
        if self._chat:
            await self.system.commands.process()
        await self.notifier.report()
        return due

    async def run_for(self, **span: float) -> None:
        """Lets so much time go by, with every cycle that falls due or is woken in it; at least one of them."""
        end, look, turns = self.now + timedelta(**span), True, 0
        while True:
            due = await self.cycle(look)
            woken = self.wakeups.take()
            turns = turns + 1
            assert turns < MAX_CYCLES_PER_MOMENT, f"{turns} cycles at {self.now}: {self.last_cycle.plan}"
            if woken is not None:
                look = woken
                continue
            if self.now >= end:
                return
            turns = turns if due <= self.now else 0
            await self._pass_until(min(max(due, self.now), end))
            look = True

    async def skip_ahead(self, **span: float) -> None:
        """So much time at once, as on a machine that slept, between a moment and a minute of life."""
        await self.run_for(seconds=0)
        self.now += timedelta(**span)
        await self._pass_until(self.now)
        await self.run_for(minutes=1)

    def set_back(self, **span: float) -> None:
        """Somebody sets the clock back; who sleeps does not sleep longer for it."""
        self.now -= timedelta(**span)
        self._sleepers = [(due - timedelta(**span), future) for due, future in self._sleepers]

    async def _pass_until(self, moment: datetime) -> None:
        """The clock jumps; who slept till then wakes, earliest first."""
        while dues := [due for due, future in self._sleepers if due <= moment and not future.done()]:
            self.now = max(self.now, min(dues))
            for due, future in self._sleepers:
                if due <= self.now and not future.done():
                    future.set_result(None)
            self._sleepers = [(due, future) for due, future in self._sleepers if not future.done()]
            await self.settle()
            if self.wakeups.recorded:
                return
        self.now = max(self.now, moment)

    async def settle(self) -> None:
        """Until all that runs is held, or waits for the clock."""
        async with asyncio.timeout(20):
            while self._is_busy():
                await asyncio.sleep(0.001)
        for _ in range(6):
            await asyncio.sleep(0)

    def _is_busy(self) -> bool:
        running = self.executor.running.items()
        free = any(ref not in self.held_stacks or each.interrupting for ref, each in running)
        return free or self.executor.background_tasks.is_busy

    # --- what people do

    def open(self, title: str = "a change", label: bool = True, by: str = "ada", **more: object) -> int:
        """A pull request from a branch of its own."""
        branch = f"{title}-{self._next_branch_number()}"
        repository = more.pop("repository", self.shop)
        assert isinstance(repository, Repository)
        files = more.pop("files", {"text": title})
        self.forge.push(repository, branch, files)
        number = self.forge.open_pull(repository, branch, title, by, **more)
        if label:
            self.forge.label(repository, number, "preview")
        return number

    def _next_branch_number(self) -> int:
        self._branches += 1
        return self._branches

    def push(self, number: int, files: Mapping[str, str] | None = None) -> str:
        branch = self.forge.pull(self.shop, number).head_ref
        return self.forge.push(self.shop, branch, files or {"text": f"at {self.now}"})

    def request_action(self, kind: str, number: int, until: datetime | None = None) -> None:
        self.memory.add_intent(Intent(self.ref(number), kind, "bob", self.now, until))
        self.wakeups.wake(refresh=True)

    def hold(self, number: int) -> StackRef:
        """Operations on it take until ``release``, or until they are interrupted."""
        ref = self.ref(number)
        self.held_stacks.add(ref)
        self.stacks.hold(ref)
        return ref

    def release(self, ref: StackRef) -> None:
        self.held_stacks.discard(ref)
        self.stacks.release(ref)

    # --- what can be seen

    def ref(self, number: int | Key, repository: Repository | None = None) -> StackRef:
        home = repository or self.shop
        key = number if isinstance(number, Key) else keys.pull_request(home.id, number)
        for ref in (*self.stacks.records, *self.executor.running):
            if names.parse(ref) == key:
                return ref
        return names.stack_ref(key, home.full_name)

    def head(self, number: int) -> str:
        return self.forge.pull(self.shop, number).head_sha

    def stack(self, number: int | Key, repository: Repository | None = None) -> StackRecord | None:
        return self.stacks.records.get(self.ref(number, repository))

    def view(self, number: int | Key, repository: Repository | None = None) -> EnvironmentView | None:
        ref = self.ref(number, repository)
        return next((view for view in self.last_cycle.views if view.ref == ref), None)

    def phase(self, number: int | Key, repository: Repository | None = None) -> Phase | None:
        view = self.view(number, repository)
        return view.phase if view else None

    def running_commit(self, number: int) -> str:
        """The commit that runs there; empty when nothing does."""
        record = self.stack(number)
        return record.built.commit if record and record.built else ""

    def url(self, number: int) -> str:
        record = self.stack(number)
        return record.built.url if record and record.built else ""

    def comment(self, number: int) -> str:
        """The one comment; there is never a second."""
        found = self.forge.comments(self.shop, number)
        assert len(found) <= 1
        return found[0] if found else ""

    def event_messages(self, kind: str) -> list[str]:
        return [event.message for event in self.ledger.events(limit=10_000) if event.kind == kind]

    def built_commits(self, number: int) -> list[str]:
        """The commits that were built for it, or begun."""
        return [each.commit for each in self.stacks.started if each.ref == self.ref(number) and each.commit]
