"""The local target's entry point. Cheap to import: Pulumi is imported only by ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from programs import variables
from programs.build_caches import CacheArchive
from programs.costs import CostEstimate, PriceList
from programs.exec_requests import ExecProcess, ExecRequest
from programs.inventory import HeldResource
from programs.kit import files, host_settings, identifiers, machine_costs, suite_runs
from programs.kit.build_cache import archives
from programs.kit.database import environment_databases, postgres, session_guard, suspensions
from programs.kit.errors import TargetError
from programs.kit.isolation import domains, limits
from programs.kit.log_times import LogTimes
from programs.kit.machine_costs import ReservedAmounts
from programs.kit.processes import sandbox, supervisor
from programs.kit.server_engines import engines
from programs.runtime_info import LogLines, LogRequest, RuntimeInfo
from programs.screenshots import Screenshots
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.targets.local import (
    cleanup,
    connectivity,
    environment_servers,
    exec_command,
    liveness,
    local_inventory,
    process_info,
    resource_prices,
    settings,
    suspend,
    wording,
)
from programs.targets.local.description import DESCRIPTION, STRATEGIES
from programs.targets.local.settings import LocalSettings

VERSION = "local-4"


class LocalTarget:
    """Environments on this machine; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def __init__(self) -> None:
        self._log_times = LogTimes()

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        host = settings.from_mapping(spec.settings)
        _check(spec, host)

        def run() -> None:
            from programs.targets.local.local_program import LocalProgram

            self.ensure(spec.settings)
            suspensions.lift(host, spec.name)
            LocalProgram(spec, host, VERSION).build()

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        host = settings.from_mapping(settings_)
        files.make_folder(host.root)
        host_settings.save(host)
        sandbox.kind(host)
        supervisor.ensure(host)
        supervisor.replace_missing_launchers(host)
        postgres.ensure(host)
        session_guard.ensure(host)
        connectivity.ensure(host)

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        host = settings.from_mapping(settings_)
        if host.root.exists():
            cleanup.purge(host, name)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return cleanup.list_environments(settings.from_mapping(settings_))

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        return process_info.read_logs(settings.from_mapping(settings_), name, request)

    def record_log_times(self, settings_: Mapping[str, str], now: datetime) -> None:
        self._log_times.record(settings.from_mapping(settings_).logs, now)

    def inspect(self, name: str, settings_: Mapping[str, str]) -> RuntimeInfo:
        host = settings.from_mapping(settings_)
        return RuntimeInfo(tuple(process_info.list_processes(host, name)), tuple(process_info.list_events(host, name)))

    def exec_command(self, name: str, settings_: Mapping[str, str], request: ExecRequest) -> ExecProcess:
        return ExecProcess(exec_command.command_line(settings.from_mapping(settings_), name, request))

    def list_remaining(self, settings_: Mapping[str, str], *, including_server: bool = False) -> list[str]:
        """Everything that exists of environments on this machine, one line each. ``including_server``: the server's own
        resources, too."""
        return cleanup.list_remaining(settings.from_mapping(settings_), including_server=including_server)

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        host = settings.from_mapping(spec.settings)
        # An environment of an earlier version has no domain until its next update.
        isolated = sandbox.kind(host) != "none" and domains.exists(host, spec.name)
        domain = domains.ensure(host, spec.name) if isolated else None
        return suite_runs.command_line(host, spec, suite, {**connectivity.proxy_variables(host), **env}, domain)

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        return suite_runs.read_report(settings.from_mapping(spec.settings), spec, suite, max_bytes)

    def suite_screenshots(self, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
        return suite_runs.read_screenshots(settings.from_mapping(spec.settings), spec, suite, since)

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return liveness.live_resources(settings.from_mapping(settings_))

    def list_resources(self, settings_: Mapping[str, str]) -> list[HeldResource]:
        return local_inventory.list_resources(settings.from_mapping(settings_))

    def delete_resource(self, resource: HeldResource, settings_: Mapping[str, str]) -> bool:
        return local_inventory.delete_resource(settings.from_mapping(settings_), resource)

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        suspend.sleep(settings.from_mapping(settings_), name)

    def wake(self, name: str, settings_: Mapping[str, str], wait: bool = True) -> None:
        suspend.wake(settings.from_mapping(settings_), name, wait)

    def restart(self, name: str, settings_: Mapping[str, str], service: str) -> list[str]:
        return suspend.restart(settings.from_mapping(settings_), name, service)

    def drop_database(self, spec: EnvironmentSpec, database: str) -> None:
        host, chosen = settings.from_mapping(spec.settings), [item for item in spec.databases if item.name == database]
        servers = [item for item in chosen if item in spec.database_servers]
        for item in servers:
            environment_servers.remove(host, environment_servers.find(spec.name, item.name, item.engine))
        names = [identifiers.database_name(spec.name, item) for item in chosen if item not in servers]
        environment_databases.drop(host, names)

    def list_build_caches(self, settings_: Mapping[str, str]) -> list[CacheArchive]:
        return archives.list_archives(settings.from_mapping(settings_))

    def remove_build_cache(self, repository: str, settings_: Mapping[str, str]) -> bool:
        return archives.remove(settings.from_mapping(settings_), repository)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        return machine_costs.machine_prices()

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        """As if it used its limits. Without a limit of CPUs, it counts as one."""
        host = settings.from_mapping(settings_)
        cpu = Decimal(str(host.cpu_limit or 1))
        amounts = ReservedAmounts(cpu, Decimal(host.memory_bytes), Decimal(host.disk_bytes))
        return machine_costs.estimate(price_list, amounts)

    def resource_prices(
        self, resources: Sequence[HeldResource], settings_: Mapping[str, str], price_list: PriceList
    ) -> Mapping[HeldResource, Decimal]:
        return resource_prices.hourly_prices(settings.from_mapping(settings_), resources, price_list)

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Stops everything that runs here. ``ensure`` restarts it from the files on disk."""
        host = settings.from_mapping(settings_)
        postgres.shutdown(host)
        supervisor.stop(host)
        limits.remove_empty(host)


def _check(spec: EnvironmentSpec, settings: LocalSettings) -> None:
    identifiers.check_commit(spec.source.commit)
    if not spec.services:
        raise TargetError(wording.NO_SERVICES)
    for kind, names in _names_by_kind(spec).items():
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise TargetError(wording.defined_twice(kind, sorted(twice)[0]))
        for name in names:
            (identifiers.check_variable if kind == "variable" else identifiers.check_label)(name, kind)
    for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
        identifiers.check_variable(name, "variable")
    named = [*(item.name for item in spec.services), *(item.name for item in spec.database_servers)]
    if spec.mail and variables.MAIL in named:
        raise TargetError(wording.mail_catchers_name(variables.MAIL))
    for item in spec.database_servers:
        engines.get(item.engine)
        if item.name in {service.name for service in spec.services}:
            raise TargetError(wording.service_and_server(item.name))
    for item in spec.postgres_databases:
        if item.strategy not in STRATEGIES:
            raise TargetError(wording.unknown_strategy(item.name, item.strategy, ", ".join(STRATEGIES)))
        if item.strategy == "template" and item.source not in settings.template_databases:
            known = ", ".join(sorted(settings.template_databases)) or "none"
            raise TargetError(wording.unknown_prepared_database(item.name, item.source, known))


def _names_by_kind(spec: EnvironmentSpec) -> dict[str, list[str]]:
    return {
        "service": [item.name for item in spec.services],
        "database": [item.name for item in spec.databases],
        "variable": [item.variable for item in spec.databases],
    }


TARGET = LocalTarget()
