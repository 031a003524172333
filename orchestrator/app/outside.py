"""The real outsides of ``ephd``, created from its settings: Git host, stacks, targets, event log, gateway."""

from __future__ import annotations

from functools import partial
from importlib import metadata

from orchestrator.app.ports import Options, Ports
from orchestrator.auth import preview_tokens
from orchestrator.config import file_names, server_keys, variable_keys
from orchestrator.config.secret_store import SecretStore
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.forges import registry as forge_registry
from orchestrator.forges.port import Forge
from orchestrator.forges.registry import ConnectionContext
from orchestrator.gateway.health_probe import GatewayProbe
from orchestrator.images.registry_client import RegistryClient
from orchestrator.images.registry_http import RegistryHttp
from orchestrator.ledger.observed_ledger import ObservedLedger
from orchestrator.ledger.sql_costs import SqlCosts
from orchestrator.ledger.sql_ledger import SqlLedger
from orchestrator.runtime import clock
from orchestrator.runtime.leadership import open_lease
from orchestrator.runtime.observation.health_monitor import Probe
from orchestrator.runtime.observation.memory_monitor import MEGABYTE, MemoryMonitor
from orchestrator.runtime.observation.traffic_file import TrafficFile
from orchestrator.runtime.server import logs
from orchestrator.runtime.server.gateway_process import open_gateway
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.secret_providers import readers
from orchestrator.service.reports.notifier import GatewayStatesFile
from orchestrator.service.reports.pending_reports import PendingReports
from orchestrator.sources.recipe_reader import ServerRules
from programs import registry
from programs.kit import host_names
from programs.kit.git.uploads import UploadStore
from programs.spec import EnvironmentSpec
from stacks.backends import registry as backends
from stacks.backends.inventory import StackInventory
from stacks.backends.port import Inventory
from stacks.executors import registry as executors
from stacks.executors.port import ExecutorSettings
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain.pulumi_cli import Toolchain


def version() -> str:
    return metadata.version("eph")


def create_options(settings: ServerSettings, inventory: Inventory) -> Options:
    targets = settings.target_settings(server_keys.server_id(settings.keys_dir), targets_of_stacks(inventory))
    rules = ServerRules(
        bounds=settings.admission_policy(),
        naming_key=server_keys.server_key(settings.keys_dir),
        domain=settings.domain,
        settings=targets,
        max_bytes=settings.limits.file_bytes,
        secrets=_secret_store(settings),
    )

    def suite_token(spec: EnvironmentSpec) -> str:
        protected = spec.sign_in or settings.previews.sign_in == "all"
        return _preview_token(settings, spec.host) if protected else ""

    return Options(
        version=version(),
        policy=settings.policy(),
        rules=rules,
        targets=targets,
        records=settings.operations_dir,
        image_access={
            name: settings.images.registry_policy(given)
            for name, given in targets.items()
            if registry.get(name).description.runs_images
        },
        interval=settings.interval,
        deadline=settings.deadline,
        max_refs=settings.limits.refs,
        suite_slots=settings.limits.suites,
        suite_token=suite_token,
        address=settings.replica_url,
        exec_timeout=settings.exec.timeout,
        deploys=settings.deploy_limits(),
        prices=settings.prices,
        prices_folder=settings.shared_dir / "prices",
        output_file=settings.gateway_dir / file_names.OPERATION_OUTPUT,
    )


def _secret_store(settings: ServerSettings) -> SecretStore:
    providers = {secret.provider for secret in settings.secrets.values()}
    return SecretStore(
        settings.secrets,
        server_keys.server_key(settings.keys_dir),
        clock.system,
        readers.open_readers(providers, settings.secret_providers, clock.system),
        variable_keys.variable_keys(settings.keys_dir),
    )


def create_ports(
    settings: ServerSettings,
    worker: WorkerSettings,
    inventory: Inventory,
    pulumi_version: str,
    forge: Forge,
    probe: Probe,
) -> Ports:
    """``inventory`` may have read the stacks already: it reads only what changed since."""
    backend, lease, has_replicas = worker.backend, open_lease(settings), settings.replicas.lease != "none"
    lease_until = (lambda: lease.until) if has_replicas else None
    executor = executors.open_executor(
        settings.executor,
        ExecutorSettings(worker, pulumi_version, settings.operations_dir, settings.workers, lease_until),
    )
    return Ports(
        forge=forge,
        inventory=inventory,
        create_inventory=lambda: StackInventory(backend),
        stores=(backend, executor),
        operations=executor,
        target=registry.get,
        registries=lambda access: RegistryClient(access, RegistryHttp(access)),
        ledger=ObservedLedger(SqlLedger(settings.ledger_database_url, keep=settings.ledger.keep), (logs.log_event,)),
        lease=lease,
        probe=probe,
        gateway=open_gateway(settings),
        traffic=TrafficFile(settings.gateway_dir),
        memory=MemoryMonitor(executor.sessions, settings.limits.spare_memory * MEGABYTE),
        clock=clock.system,
        create_folders=partial(settings.routes_dir.mkdir, parents=True, exist_ok=True),
        pause=PauseFile(settings.pause_file),
        pending_reports=PendingReports(settings.pending_reports_file),
        listeners=(GatewayStatesFile(settings.gateway_dir).on_cycle,),
        uploads=_uploads(settings),
        costs=SqlCosts(settings.ledger_database_url),
    )


def _uploads(settings: ServerSettings) -> UploadStore | None:
    limit = settings.deploys.upload_bytes
    return UploadStore(settings.uploads_dir, limit) if limit else None


def create_forge(settings: ServerSettings) -> Forge:
    context = ConnectionContext(settings.interval.total_seconds(), settings.home / "forge-cache.db")
    return forge_registry.get(settings.forge.kind).connect(settings.forge, context)


def create_probe(settings: ServerSettings) -> GatewayProbe:
    return GatewayProbe(settings.probe_url, partial(_preview_token, settings))


def _preview_token(settings: ServerSettings, host: str) -> str:
    """Opens only that environment: an ingress controller may pass it on to the app."""
    token = preview_tokens.preview_token(settings.keys_dir)
    return preview_tokens.host_token(token.encode(), host_names.environment_host(host))


def create_worker_settings(settings: ServerSettings, tools: Toolchain) -> WorkerSettings:
    return WorkerSettings(
        backend=backends.open_backend(settings.stacks_url),
        work=settings.work_dir,
        pulumi_home=settings.pulumi_home,
        passphrase_file=server_keys.passphrase_file(settings.keys_dir, settings.passphrase_file),
        tools=tools.path,
        targets=tuple(sorted(settings.known_targets)),
    )


def targets_in_use(settings: ServerSettings) -> frozenset[str]:
    """Targets of the settings and of existing stacks, which must stay destroyable."""
    return settings.known_targets | targets_of_stacks(StackInventory(backends.open_backend(settings.stacks_url)))


def targets_of_stacks(inventory: Inventory) -> frozenset[str]:
    return frozenset(record.target for record in inventory.snapshot().stacks.values())
