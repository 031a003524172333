"""Every room's parts, made and joined; nothing here runs yet. ``service`` brings them to life in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from importlib import metadata

from orchestrator.app.dates import Dates
from orchestrator.app.desk import Behind, LocalDesk
from orchestrator.app.door import Door, Doorkeeper, Neighbour
from orchestrator.app.hands import DeskHands
from orchestrator.app.hooks import Hook, Way
from orchestrator.app.owed import Owed
from orchestrator.app.probe import GatewayProbe
from orchestrator.app.shows import Herald, States
from orchestrator.config import keys
from orchestrator.config.availability import KUBERNETES
from orchestrator.config.settings import Settings
from orchestrator.config.vault import Vault
from orchestrator.core.policy import Policy
from orchestrator.forge.github.client import GITHUB, AppKey, GitHubForge, Options
from orchestrator.forge.github.shelf import Shelf
from orchestrator.images.access import Access
from orchestrator.images.registry import Registry
from orchestrator.images.wire import Wire
from orchestrator.ledger import kinds
from orchestrator.ledger.lease import Lease, NoLease, PostgresLease
from orchestrator.ledger.store import SqlLedger
from orchestrator.runtime import clock
from orchestrator.runtime.auditing import Around, Auditor
from orchestrator.runtime.commands import Commands
from orchestrator.runtime.executor import Executor, Means
from orchestrator.runtime.forge_facts import ForgeReader
from orchestrator.runtime.health import Monitor
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.leading import Leading
from orchestrator.runtime.loop import Loop, Parts
from orchestrator.runtime.machine import MEGABYTE, Machine
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.observe import Observer, Sources
from orchestrator.runtime.recipes import Recipes, Rules
from orchestrator.runtime.seeking import Seeker
from orchestrator.runtime.testing import Bench, SuiteRunner
from orchestrator.runtime.visits import Visits
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.api.settings import ApiSettings, Role, Token, local_token
from orchestrator.surfaces.reporter import Reporter
from programs import registry
from programs.registry import Sleeps, Stands
from programs.spec import EnvironmentSpec
from stacks import records
from stacks.inventory import FileInventory
from stacks.model import OperationResult
from stacks.places import Places
from stacks.pool import Pool
from stacks.toolchain import Toolchain


def version() -> str:
    return metadata.version("eph")


def places(settings: Settings, tools: Toolchain) -> Places:
    return Places(
        backend=settings.backend_dir,
        work=settings.work_dir,
        operations=settings.operations_dir,
        pulumi_home=settings.pulumi_home,
        passphrase_file=keys.passphrase_file(settings.keys_dir, settings.passphrase_file),
        tools=tools.path,
    )


def policy(settings: Settings) -> Policy:
    """The settings' policy, with the versions of the programs that would build now."""
    targets = {name: registry.get(name) for name in registry.names()}
    versions = {name: target.version for name, target in targets.items()}
    sleepers = frozenset(name for name, target in targets.items() if isinstance(target, Sleeps))
    return replace(settings.policy(), program_versions=versions, sleepers=sleepers)


def used_targets(inventory: FileInventory) -> frozenset[str]:
    """What exists somewhere must stay possible to destroy, though it may not be asked for any more."""
    return frozenset(record.target for record in inventory.snapshot().stacks.values())


def forge(settings: Settings) -> GitHubForge:
    told = settings.forge
    key = AppKey(told.app_id, told.read_private_key()) if told.app_id else told.read_token()
    options = Options(
        organisations=told.organisations,
        every=settings.interval.total_seconds(),
        clone_url=told.clone_url,
        shelf=Shelf(settings.home / "forge-cache.db"),
    )
    return GitHubForge(told.url or GITHUB, key, told.repositories, options=options)


def door(settings: Settings) -> Door:
    return Door(
        settings.gateway_listen,
        settings.listen,
        settings.gateway_dir,
        settings.domain,
        tokens=keys.preview_tokens_file(settings.keys_dir),
        sign_in=settings.previews.sign_in,
        proxies=settings.previews.proxies,
        shared=settings.replicas.lease != "none",
    )


def lease(settings: Settings) -> Lease:
    if settings.replicas.lease == "none":
        return NoLease()
    return PostgresLease(settings.events_url, settings.name, settings.replica_url)


class Wiring:
    """The parts in the order of their making; ``running`` is the whole of them alive."""

    def __init__(self, settings: Settings, tools: Toolchain) -> None:
        self.settings = settings
        self.places = places(settings, tools)
        self.inventory = FileInventory(self.places.backend)
        self.vault = Vault(settings.secrets, keys.server_key(settings.keys_dir), clock.system)
        self.memory = Memory()
        self.wakeups = Wakeups()
        self.visits = Visits(settings.gateway_dir, self.wakeups.wake)
        self.ledger = SqlLedger(settings.events_url, keep=settings.ledger.keep)
        self.journal = Journal(self.ledger, clock.system)
        self.forge = forge(settings)
        self.lease = lease(settings)
        self.leading = Leading(self.lease, self.journal, self.wakeups, settings.replica_url)
        self.leading.begin = self._begin
        self.tester = SuiteRunner(self._bench())
        self.pool = Pool(self.places, tools.version, settings.workers)
        if self.leading.replicas:
            self.pool.lease = lambda: self.lease.until
        self.leading.settle = self.pool.settle
        self.machine = Machine(self.pool.sessions, settings.limits.spare_memory * MEGABYTE)
        self.targets = settings.target_settings(keys.identity(settings.keys_dir), used_targets(self.inventory))
        self.policy = policy(settings)
        keeper = Doorkeeper if settings.gateway == "own" else Neighbour
        self.door = keeper(door(settings))
        owed = Owed(settings.shared_dir / "owed.json")
        self.herald = Herald(Reporter(self.forge, clock.system), self.journal, owed)
        self.herald.leads = self.leading.leads
        self.forgetful: list[Callable[[], None]] = [
            lambda: self.herald.begin(Reporter(self.forge, clock.system)),
            self.tester.begin,
        ]
        """What remembers what it did, and must not when another replica led meanwhile."""

    def _bench(self) -> Bench:
        def token(spec: EnvironmentSpec) -> str:
            asked = spec.sign_in or self.settings.previews.sign_in == "all"
            return keys.preview_token(self.settings.keys_dir) if asked else ""

        slots, wake = self.settings.limits.suites, self.wakeups.wake
        places, leads = self.places, self.leading.leads
        return Bench(
            places, self.memory, self.journal, clock.system, wake, token, slots, leads, hidden=self.vault.values
        )

    async def prepare(self) -> None:
        """Folders, what an earlier life left running, what targets share."""
        await asyncio.to_thread(self._prepare)
        await self.leading.ready()
        await asyncio.to_thread(self._ensure_at_start)

    def _prepare(self) -> None:
        self.places.prepare()
        self.settings.routes_dir.mkdir(parents=True, exist_ok=True)
        if self.leading.replicas:
            self.pool.tidy()

    async def _begin(self) -> None:
        """This replica, or the only one there is, begins to lead."""
        self.memory.begin(await asyncio.to_thread(self._take_over))
        self.memory.mended = await asyncio.to_thread(self.journal.mended)
        self.memory.destroyed = await asyncio.to_thread(self.journal.unstated)
        self.memory.awaited(await asyncio.to_thread(self.journal.awaited))
        for forget in self.forgetful:
            forget()

    def _take_over(self) -> Iterable[OperationResult]:
        self.tester.recover()
        if self.leading.replicas:
            self.door.control(self.settings.replica_url)
        else:  # with replicas it is settled before each look: ``Leading.elsewhere``
            for ref in self.pool.recover():
                self.journal.tell(kinds.OPERATION_RECOVERED, "an operation of an earlier life was ended", str(ref))
        return records.last(self.places).values()

    def _ensure_at_start(self) -> None:
        for name, told in self.targets.items():
            registry.get(name).ensure(told)

    async def keep_targets(self, every: float) -> None:
        """What targets share comes back when it was killed. Beside the loop, which must not wait for what will not."""
        while True:
            await asyncio.sleep(every)
            # A thread cannot be cancelled, and must not bring anything up behind the back of who takes it down.
            work = asyncio.create_task(asyncio.to_thread(self._ensure_targets))
            try:
                await asyncio.shield(work)
            finally:
                await asyncio.gather(work, return_exceptions=True)

    def _ensure_targets(self) -> None:
        for problem in self.vault.problems():
            self.journal.trouble(problem)
        for name, told in self.targets.items():
            try:
                registry.get(name).ensure(told)
            except Exception as error:  # noqa: BLE001 - a target's trouble is told, and tried again
                self.journal.trouble(f"the target {name} does not come up: {error}")

    def loop(self, probe: GatewayProbe) -> tuple[Loop, Executor, Monitor]:
        executor = Executor(self._means(), self.memory)
        monitor = Monitor(probe, clock.system, self.wakeups.wake)
        sources = Sources(
            forge=ForgeReader(
                self.forge, self._recipes(), self.policy.trusted_authors_only, most_refs=self.settings.limits.refs
            ),
            inventory=self.inventory,
            targets={name: partial(registry.get(name).names, told) for name, told in self.targets.items()},
            health=monitor.answers,
            lanes=executor,
            headroom=self.machine.headroom,
            traffic=self.visits.read,
            standing={
                name: partial(target.standing, told)
                for name, told in self.targets.items()
                if isinstance(target := registry.get(name), Stands)
            },
        )
        parts = Parts(Observer(sources, self.memory), executor, monitor, self.journal, self.wakeups, self.leading)
        loop = Loop(parts, self.policy, clock.system, self.settings.interval)
        dates = Dates(self.targets, self.leading.leads)
        self.forgetful.append(dates.begin)
        loop.audience = (States(self.settings.gateway_dir).show, self.herald.show, self.tester.show, dates.show)
        self.herald.why = executor.why
        self.herald.forget = partial(records.forget, self.places)
        self.pool.emptied = self.herald.destroyed
        return loop, executor, monitor

    def _recipes(self) -> Recipes:
        key = keys.server_key(self.settings.keys_dir)
        rules = Rules(
            bounds=self.settings.bounds(),
            key=key,
            domain=self.settings.domain,
            settings=self.targets,
            largest=self.settings.limits.file_bytes,
            vault=self.vault,
        )
        return Recipes(self.forge, rules, clock.system)

    def _means(self) -> Means:
        return Means(
            operations=self.pool,
            forge=self.forge,
            settings=self.targets,
            deadline=self.settings.deadline.total_seconds(),
            clock=clock.system,
            journal=self.journal,
            woken=self.wakeups.wake,
            looked=lambda: self.wakeups.wake(look=True),
            find=self._seeker().find,
            leads=self.leading.leads,
            vault=self.vault,
        )

    def _seeker(self) -> Seeker:
        """One for all the life of ephd: it remembers what it read."""
        told = self.settings.images
        access = {
            name: Access.of(given, told.hosts, told.architectures)
            for name, given in self.targets.items()
            if name == KUBERNETES
        }
        return Seeker(access, lambda reach: Registry(reach, Wire(reach)), self.forge, clock.system)

    def _auditor(self, loop: Loop, executor: Executor) -> Auditor:
        def fresh() -> FileInventory:
            return FileInventory(self.places.backend, self.inventory.was_used)

        around = Around(lambda: loop.shown, executor, fresh, self.places, self.targets, leading=self.leading)
        return Auditor(around)

    def commands(self, loop: Loop, desk: LocalDesk) -> Commands:
        """What people say in comments; it sees every cycle, and the comments that Eph writes hold its answers."""
        recipes = self._recipes()
        hands = DeskHands(desk, self.forge, self.memory, lambda home, pull: recipes.of(home, pull, "").labels)
        found = Commands(self.forge, hands, self.journal, clock.system)
        found.leads = self.leading.leads
        self.forgetful.append(found.begin)
        loop.audience = (*loop.audience, found.show)
        self.herald.replies = lambda: found.replies
        found.changed = lambda _: self.herald.again()
        return found

    def desk(self, loop: Loop, executor: Executor) -> LocalDesk:
        return LocalDesk(
            Behind(
                auditor=self._auditor(loop, executor),
                tester=self.tester,
                version=version(),
                started=clock.system(),
                loop=loop,
                executor=executor,
                memory=self.memory,
                journal=self.journal,
                wakeups=self.wakeups,
                forge=self.forge,
                ledger=self.ledger,
                places=self.places,
                settings=lambda target: self.targets.get(target, {}),
                clock=clock.system,
                leading=self.leading,
                veil=self.vault.veil,
            )
        )

    def api(self) -> ApiSettings:
        token, hook = local_token(self.settings.shared_dir), self._hook()
        return ApiSettings(
            version=version(),
            tokens=(Token.of(token, "local", Role.ADMIN),),
            webhook=hook.received if hook else None,
            webhook_test=hook.test if hook else None,
            session_key=keys.server_key(self.settings.keys_dir),
        )

    def _hook(self) -> Hook | None:
        secret = self.settings.forge.read_webhook_secret().encode()
        if not secret:
            return None
        way = Way(secret, self.settings.listen, self.settings.forge.webhook_url, self.forge.hooks)
        return Hook(way, self.wakeups, self.journal, clock.system)
