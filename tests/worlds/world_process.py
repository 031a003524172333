"""One process of ephd in a world: composed of fakes, killed and started again. What is outside outlives it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.app.compose import compose
from orchestrator.app.ports import Options, Ports
from orchestrator.core.model.policy import DeployLimits, Policy
from orchestrator.forges.fake import FakeForge
from orchestrator.images.fake import FakeRegistries
from orchestrator.images.registry_policy import RegistryPolicy
from orchestrator.ledger.fake import MemoryCosts, MemoryLedger
from orchestrator.ledger.lease import Lease, NoLease
from orchestrator.runtime.cycles import CycleListener, CycleResult
from orchestrator.runtime.fake import FakeTraffic
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.service.reports.pending_reports import PendingReports
from orchestrator.sources.factory import SourcesFactory, create_sources
from programs.kit.git.uploads import UploadStore
from programs.registry import Target
from stacks.backends.inventory import StackInventory
from stacks.executors.fake import FakeExecutor
from stacks.model import StackRef
from tests.stack_folders import process_executor, worker_settings
from tests.worlds.blocking_calls import BlockingCalls
from tests.worlds.composition import NO_FOLDER, fake_options, fake_ports
from tests.worlds.eph_files import eph_yaml
from tests.worlds.fake_machine import FakeMachine
from tests.worlds.recording_wakeups import RecordingWakeups

START = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
"""With a fraction of a second: histories have none, and a moment that ended in both would look like two."""
UPLOAD_LIMIT = 1_000_000
DEFAULT_POLICY = Policy()


class WorldProcess:
    """``unresponsive`` hosts answer no health check, ``redirecting`` services with a redirect out. ``targets`` and
    ``sources`` take effect with the next ``crash``."""

    def __init__(
        self,
        policy: Policy = DEFAULT_POLICY,
        *,
        lease: Lease | None = None,
        folder: Path = NO_FOLDER,
        chat: bool = False,
        sources: SourcesFactory = create_sources,
    ) -> None:
        """``folder``: where Eph keeps files, if the story reads any. ``chat``: whether Eph reads comments."""
        self.now = START
        self.host_ahead = timedelta(0)
        """How far the Git host's clock is ahead of ours."""
        self.policy = policy
        self.forge = FakeForge(self.host_clock)
        self.shop = self.forge.create_repository("acme/shop", eph_yaml())
        self.forge.grant_write(self.shop, "ada")
        self.stacks = FakeExecutor(now=self.clock)
        self.traffic = FakeTraffic()
        self.target = FakeMachine(self.stacks)
        self.targets: dict[str, Target] = {"local": self.target}
        self.registries = FakeRegistries()
        self.ledger = MemoryLedger()
        self.costs = MemoryCosts()
        self.lease: Lease = lease or NoLease()
        self.folder = folder
        self.worker = worker_settings(folder)
        self.stores = (self.worker.backend, process_executor(self.worker)) if folder != NO_FOLDER else ()
        self.pending_reports = PendingReports(folder / "owed.json" if folder != NO_FOLDER else None)
        self.pause_file = PauseFile(folder / "paused.json" if folder != NO_FOLDER else None)
        self.uploads = UploadStore(folder / "uploads", UPLOAD_LIMIT) if folder != NO_FOLDER else None
        self.listeners: list[CycleListener] = []
        self.sources = sources
        self.unresponsive: set[str] = set()
        self.redirecting: dict[str, str] = {}
        self.app_routes: dict[str, str] = {"shop.localhost": "acme/shop"}
        self.sign_in_available = False
        self.deploy_limits = DeployLimits()
        self.held_stacks: set[StackRef] = set()
        self.cycles = 0
        self.blocking_calls = BlockingCalls()
        asyncio.get_running_loop().set_default_executor(self.blocking_calls)
        self._chat = chat
        self._branches = itertools.count(1)
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self._start()

    def _start(self) -> None:
        """A new process: everything that is in memory is new."""
        self.wakeups = RecordingWakeups()
        self.system = compose(self._ports(), self._options())
        self.facts, self.journal = self.system.facts, self.system.journal
        self.loop, self.executor, self.monitor = self.system.loop, self.system.executor, self.system.monitor
        self.notifier = self.system.notifier

    def _ports(self) -> Ports:
        return replace(
            fake_ports(self.clock),
            forge=self.forge,
            traffic=self.traffic,
            inventory=StackInventory(self.stacks.backend),
            create_inventory=lambda: StackInventory(self.stacks.backend),
            operations=self.stacks,
            target=lambda name: self.targets.get(name, self.target),
            registries=lambda _: self.registries,
            ledger=self.ledger,
            costs=self.costs,
            lease=self.lease,
            probe=self._probe,
            sleep=self._sleep,
            wakeups=self.wakeups,
            pending_reports=self.pending_reports,
            pause=self.pause_file,
            stores=self.stores,
            sources=self.sources,
            listeners=(self._show_cycle,),
            uploads=self.uploads,
        )

    def _options(self) -> Options:
        options = fake_options(self.policy, {"local": {}, "kubernetes": {}})
        bounds = replace(options.rules.bounds, app_routes=self.app_routes, sign_in_available=self.sign_in_available)
        return replace(
            options,
            rules=replace(options.rules, bounds=bounds),
            deploys=self.deploy_limits,
            targets={name: {} for name in self.targets},
            records=self.folder / "operations",
            image_access={"kubernetes": RegistryPolicy()},
        )

    def _show_cycle(self, cycle: CycleResult) -> None:
        for show in self.listeners:
            show(cycle)

    @property
    def last_cycle(self) -> CycleResult:
        return self.system.cycles.latest

    def clock(self) -> datetime:
        return self.now

    def host_clock(self) -> datetime:
        return self.now + self.host_ahead

    async def _probe(self, origin: str, path: str) -> tuple[bool, str]:
        host = origin.partition("://")[2].partition(":")[0]
        if location := self.redirecting.get(host.partition("--")[0]):
            return False, f"{path} redirects to {location}, outside the environment"
        return host not in self.unresponsive, f"{path} answered {502 if host in self.unresponsive else 200}"

    async def _sleep(self, seconds: float) -> None:
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + timedelta(seconds=seconds), due))
        await due

    def release(self, ref: StackRef) -> None:
        """Operations that ``hold`` stopped go on."""
        self.held_stacks.discard(ref)
        self.stacks.release(ref)

    async def close(self) -> None:
        await self.monitor.close()
        for ref in list(self.held_stacks):
            self.release(ref)
        await self.stacks.close()
        await self.executor.close()
        await self.system.labels.close()

    async def crash(self) -> None:
        """``kill -9`` and a new start: operations end where they are, memory is gone."""
        self.stacks.crash()
        self.held_stacks.clear()
        await self.monitor.close()
        await self.executor.close()
        await self.system.labels.close()
        self._sleepers.clear()
        self._start()
