"""Every room's parts, made and joined; nothing here runs yet. ``service`` brings them to life in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from importlib import metadata

from orchestrator.app.gateway_process import ExternalGateway, GatewayProcess, GatewaySpec
from orchestrator.config import server_keys
from orchestrator.config.eph_yaml.unsupported import KUBERNETES
from orchestrator.config.secret_store import SecretStore
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.policy import Policy
from orchestrator.forges import registry as forge_registry
from orchestrator.forges.port import Forge
from orchestrator.forges.registry import ConnectionContext
from orchestrator.forges.webhooks import ReportsWebhooks, WebhookStatus
from orchestrator.gateway.health_probe import GatewayProbe
from orchestrator.images.registry_client import RegistryClient
from orchestrator.images.registry_http import RegistryHttp
from orchestrator.images.registry_policy import RegistryPolicy
from orchestrator.ledger import event_kinds
from orchestrator.ledger.lease import Lease, NoLease, PostgresLease
from orchestrator.ledger.sql_ledger import SqlLedger
from orchestrator.runtime import clock
from orchestrator.runtime.executor import Executor, ExecutorDependencies
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.loop import Loop, LoopDependencies
from orchestrator.runtime.loop_state import LoopState
from orchestrator.runtime.observation.forge_reader import ForgeReader
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.observation.image_finder import ImageFinder
from orchestrator.runtime.observation.memory_monitor import MEGABYTE, MemoryMonitor
from orchestrator.runtime.observation.observer import Observer, ObserverSources
from orchestrator.runtime.observation.recipe_reader import RecipeReader, ServerRules
from orchestrator.runtime.observation.traffic_file import TrafficFile
from orchestrator.runtime.suites.suite_runner import SuiteRunner, SuiteRunnerDependencies
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service.auditor import AuditDependencies, Auditor
from orchestrator.service.chat_actions import ChatActions
from orchestrator.service.command_listener import CommandListener
from orchestrator.service.environment_service import ControlPlaneDependencies, LocalControlPlane
from orchestrator.service.expiry_sync import ExpirySync
from orchestrator.service.notifier import GatewayStatesFile, Notifier
from orchestrator.service.pending_reports import PendingReports
from orchestrator.service.webhook_receiver import WebhookEndpoint, WebhookReceiver
from orchestrator.surfaces.api.api_settings import ApiSettings, Role, Token, local_token, webhook_path
from orchestrator.surfaces.reports.reporter import Reporter
from programs import registry
from programs.registry import DetectsDrift, Sleeps
from programs.spec import EnvironmentSpec
from stacks.backends import registry as backends
from stacks.backends.inventory import StackInventory
from stacks.backends.port import Inventory
from stacks.executors.process import operation_records
from stacks.executors.process.pool import Pool
from stacks.model import OperationResult
from stacks.paths import StackPaths
from stacks.toolchain.pulumi_cli import Toolchain


def version() -> str:
    return metadata.version("eph")


def stack_paths(settings: ServerSettings, tools: Toolchain) -> StackPaths:
    return StackPaths(
        backend=backends.open_backend(settings.stacks_url),
        work=settings.work_dir,
        operations=settings.operations_dir,
        pulumi_home=settings.pulumi_home,
        passphrase_file=server_keys.passphrase_file(settings.keys_dir, settings.passphrase_file),
        tools=tools.path,
    )


def planning_policy(settings: ServerSettings) -> Policy:
    """The settings' policy, with the versions of the programs that would build now."""
    targets = {name: registry.get(name) for name in registry.installed_targets()}
    versions = {name: target.version for name, target in targets.items()}
    sleepers = frozenset(name for name, target in targets.items() if isinstance(target, Sleeps))
    return replace(settings.policy(), program_versions=versions, sleep_capable_targets=sleepers)


def targets_of_stacks(inventory: Inventory) -> frozenset[str]:
    """What exists somewhere must stay possible to destroy, though it may not be asked for any more."""
    return frozenset(record.target for record in inventory.snapshot().stacks.values())


def create_forge(settings: ServerSettings) -> Forge:
    context = ConnectionContext(settings.interval.total_seconds(), settings.home / "forge-cache.db")
    return forge_registry.get(settings.forge.kind).connect(settings.forge, context)


def gateway_spec(settings: ServerSettings) -> GatewaySpec:
    return GatewaySpec(
        settings.gateway_listen,
        settings.listen,
        settings.gateway_dir,
        settings.domain,
        tokens_file=server_keys.preview_tokens_file(settings.keys_dir),
        sign_in=settings.previews.sign_in,
        trusted_proxies=settings.previews.proxies,
        has_replicas=settings.replicas.lease != "none",
    )


def create_lease(settings: ServerSettings) -> Lease:
    if settings.replicas.lease == "none":
        return NoLease()
    return PostgresLease(settings.ledger_database_url, settings.name, settings.replica_url)


class Composition:
    """The parts in the order of their making; ``running`` is the whole of them alive."""

    def __init__(self, settings: ServerSettings, tools: Toolchain) -> None:
        self.settings = settings
        self.paths = stack_paths(settings, tools)
        self.inventory = StackInventory(self.paths.backend)
        self.secret_store = SecretStore(settings.secrets, server_keys.server_key(settings.keys_dir), clock.system)
        self.loop_state = LoopState()
        self.wakeups = Wakeups()
        self.traffic = TrafficFile(settings.gateway_dir, self.wakeups.wake)
        self.ledger = SqlLedger(settings.ledger_database_url, keep=settings.ledger.keep)
        self.journal = Journal(self.ledger, clock.system)
        self.forge = create_forge(settings)
        self.lease = create_lease(settings)
        self.leadership = Leadership(self.lease, self.journal, self.wakeups, settings.replica_url)
        self.leadership.on_term_start = self._start_term
        self.suite_runner = SuiteRunner(self._suite_runner_dependencies())
        self.pool = Pool(self.paths, tools.version, settings.workers)
        if self.leadership.has_replicas:
            self.pool.lease_until = lambda: self.lease.until
        self.leadership.recover_operations = self.pool.take_over
        self.memory_monitor = MemoryMonitor(self.pool.sessions, settings.limits.spare_memory * MEGABYTE)
        self.target_settings = settings.target_settings(
            server_keys.server_id(settings.keys_dir), targets_of_stacks(self.inventory)
        )
        self.policy = planning_policy(settings)
        keeper = GatewayProcess if settings.gateway == "own" else ExternalGateway
        self.gateway = keeper(gateway_spec(settings))
        owed = PendingReports(settings.shared_dir / "owed.json")
        self.notifier = Notifier(Reporter(self.forge, clock.system), self.journal, owed)
        self.notifier.is_leader = self.leadership.is_leader
        self.on_new_term: list[Callable[[], None]] = [
            lambda: self.notifier.start_term(Reporter(self.forge, clock.system)),
            self.suite_runner.start_term,
        ]
        """What remembers what it did, and must not when another replica led meanwhile."""

    def _suite_runner_dependencies(self) -> SuiteRunnerDependencies:
        def token(spec: EnvironmentSpec) -> str:
            asked = spec.sign_in or self.settings.previews.sign_in == "all"
            return server_keys.preview_token(self.settings.keys_dir) if asked else ""

        slots, wake = self.settings.limits.suites, self.wakeups.wake
        places, leads = self.paths, self.leadership.is_leader
        return SuiteRunnerDependencies(
            places,
            self.loop_state,
            self.journal,
            clock.system,
            wake,
            token,
            slots,
            leads,
            secrets=self.secret_store.values,
        )

    async def prepare(self) -> None:
        """Folders, what an earlier life left running, what targets share."""
        await asyncio.to_thread(self._prepare)
        await self.leadership.ensure_term()
        await asyncio.to_thread(self._ensure_at_start)

    def _prepare(self) -> None:
        self.paths.make_folders()
        self.settings.routes_dir.mkdir(parents=True, exist_ok=True)
        if self.leadership.has_replicas:
            self.pool.delete_stale_folders()

    async def _start_term(self) -> None:
        """This replica, or the only one there is, begins to lead."""
        self.loop_state.start_term(await asyncio.to_thread(self._recover))
        self.loop_state.completed_repairs = await asyncio.to_thread(self.journal.recall_repairs)
        self.loop_state.guarded_destroys = await asyncio.to_thread(self.journal.recall_guarded_destroys)
        self.loop_state.restore_image_waits(await asyncio.to_thread(self.journal.recall_image_waits))
        for forget in self.on_new_term:
            forget()

    def _recover(self) -> Iterable[OperationResult]:
        self.suite_runner.recover()
        if self.leadership.has_replicas:
            self.gateway.write_leader_url(self.settings.replica_url)
        else:  # with replicas it is settled before each look: ``Leading.elsewhere``
            for ref in self.pool.recover():
                self.journal.record(
                    event_kinds.OPERATION_RECOVERED, "an operation left over from an earlier run was stopped", str(ref)
                )
        return operation_records.last_results(self.paths).values()

    def _ensure_at_start(self) -> None:
        for name, told in self.target_settings.items():
            registry.get(name).ensure(told)

    async def keep_targets_running(self, interval: float) -> None:
        """What targets share comes back when it was killed. Beside the loop, which must not wait for what will not."""
        while True:
            await asyncio.sleep(interval)
            # A thread cannot be cancelled, and must not bring anything up behind the back of who takes it down.
            work = asyncio.create_task(asyncio.to_thread(self._ensure_targets))
            try:
                await asyncio.shield(work)
            finally:
                await asyncio.gather(work, return_exceptions=True)

    def _ensure_targets(self) -> None:
        for problem in self.secret_store.problems():
            self.journal.record_problem(problem)
        for name, told in self.target_settings.items():
            try:
                registry.get(name).ensure(told)
            except Exception as error:  # noqa: BLE001 - a target's trouble is told, and tried again
                self.journal.record_problem(f"the target {name} could not be started: {error}")

    def loop(self, probe: GatewayProbe) -> tuple[Loop, Executor, HealthMonitor]:
        executor = Executor(self._executor_dependencies(), self.loop_state)
        monitor = HealthMonitor(probe, clock.system, self.wakeups.wake)
        sources = ObserverSources(
            forge=ForgeReader(
                self.forge, self._recipes(), self.policy.trusted_authors_only, max_refs=self.settings.limits.refs
            ),
            inventory=self.inventory,
            targets={
                name: partial(registry.get(name).list_environments, told) for name, told in self.target_settings.items()
            },
            health=monitor.statuses,
            operations=executor,
            headroom=self.memory_monitor.headroom,
            traffic=self.traffic.read,
            live_parts={
                name: partial(target.live_resources, told)
                for name, told in self.target_settings.items()
                if isinstance(target := registry.get(name), DetectsDrift)
            },
        )
        parts = LoopDependencies(
            Observer(sources, self.loop_state), executor, monitor, self.journal, self.wakeups, self.leadership
        )
        loop = Loop(parts, self.policy, clock.system, self.settings.interval)
        dates = ExpirySync(self.target_settings, self.leadership.is_leader)
        self.on_new_term.append(dates.start_term)
        loop.listeners = (
            GatewayStatesFile(self.settings.gateway_dir).on_cycle,
            self.notifier.on_cycle,
            self.suite_runner.on_cycle,
            dates.on_cycle,
        )
        self.notifier.destroy_reason = executor.reason
        self.notifier.forget_record = partial(operation_records.delete, self.paths)
        self.pool.on_destroyed = self.notifier.report_destroyed
        return loop, executor, monitor

    def _recipes(self) -> RecipeReader:
        key = server_keys.server_key(self.settings.keys_dir)
        rules = ServerRules(
            bounds=self.settings.admission_policy(),
            naming_key=key,
            domain=self.settings.domain,
            settings=self.target_settings,
            max_bytes=self.settings.limits.file_bytes,
            secrets=self.secret_store,
        )
        return RecipeReader(self.forge, rules, clock.system)

    def _executor_dependencies(self) -> ExecutorDependencies:
        return ExecutorDependencies(
            operations=self.pool,
            forge=self.forge,
            settings=self.target_settings,
            deadline=self.settings.deadline.total_seconds(),
            clock=clock.system,
            journal=self.journal,
            wake=self.wakeups.wake,
            refresh_forge=lambda: self.wakeups.wake(refresh=True),
            find_images=self._image_finder().find,
            is_leader=self.leadership.is_leader,
            secrets=self.secret_store,
        )

    def _image_finder(self) -> ImageFinder:
        """One for all the life of ephd: it remembers what it read."""
        told = self.settings.images
        access = {
            name: RegistryPolicy.from_settings(given, told.hosts, told.architectures)
            for name, given in self.target_settings.items()
            if name == KUBERNETES
        }
        return ImageFinder(access, lambda reach: RegistryClient(reach, RegistryHttp(reach)), self.forge, clock.system)

    def _auditor(self, loop: Loop, executor: Executor) -> Auditor:
        return Auditor(
            AuditDependencies(
                lambda: loop.last_cycle,
                executor,
                lambda: StackInventory(self.paths.backend),
                (self.paths.backend, self.pool),
                self.target_settings,
                leadership=self.leadership,
            )
        )

    def commands(self, loop: Loop, control_plane: LocalControlPlane) -> CommandListener:
        """What people say in comments; it sees every cycle, and the comments that Eph writes hold its answers."""
        recipes = self._recipes()
        hands = ChatActions(
            control_plane, self.forge, self.loop_state, lambda home, pull: recipes.recipe_for(home, pull, "").labels
        )
        found = CommandListener(self.forge, hands, self.journal, clock.system)
        found.is_leader = self.leadership.is_leader
        self.on_new_term.append(found.start_term)
        loop.listeners = (*loop.listeners, found.on_cycle)
        self.notifier.replies = lambda: found.replies
        found.on_result = lambda _: self.notifier.notify()
        return found

    def control_plane(self, loop: Loop, executor: Executor) -> LocalControlPlane:
        return LocalControlPlane(
            ControlPlaneDependencies(
                auditor=self._auditor(loop, executor),
                suite_runner=self.suite_runner,
                version=version(),
                started_at=clock.system(),
                loop=loop,
                executor=executor,
                loop_state=self.loop_state,
                journal=self.journal,
                wakeups=self.wakeups,
                forge=self.forge,
                ledger=self.ledger,
                paths=self.paths,
                target_settings=lambda target: self.target_settings.get(target, {}),
                clock=clock.system,
                leadership=self.leadership,
                redact=self.secret_store.redact,
            )
        )

    def api_settings(self) -> ApiSettings:
        token, hook = local_token(self.settings.shared_dir), self._webhook_receiver()
        return ApiSettings(
            version=version(),
            tokens=(Token.from_secret(token, "local", Role.ADMIN),),
            forge=self.settings.forge.kind,
            webhook=hook.receive if hook else None,
            webhook_test=hook.test if hook else None,
            session_key=server_keys.server_key(self.settings.keys_dir),
        )

    def _webhook_receiver(self) -> WebhookReceiver | None:
        settings, parser = self.settings.forge, forge_registry.get(self.settings.forge.kind).webhooks
        secret = settings.read_webhook_secret().encode()
        if not secret or parser is None:
            return None
        forge = self.forge
        endpoint = WebhookEndpoint(
            secret=secret,
            path=webhook_path(settings.kind),
            listen_address=self.settings.listen,
            public_url=settings.webhook_url,
            status=forge.webhook_status if isinstance(forge, ReportsWebhooks) else WebhookStatus,
            host=forge.words.host,
        )
        return WebhookReceiver(endpoint, parser, self.wakeups, self.journal, clock.system)
