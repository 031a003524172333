"""The compose target's entry point. Cheap to import: Pulumi is imported only by ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.costs import CostEstimate, PriceList
from programs.inventory import HeldResource
from programs.kit import files, host_settings, identifiers, machine_costs
from programs.runtime_info import LogLines, LogRequest, RuntimeInfo
from programs.spec import EnvironmentSpec
from programs.targets.compose import (
    container_logs,
    environments,
    inventory,
    resource_limits,
    settings,
    suspend,
)
from programs.targets.compose.description import DESCRIPTION

VERSION = "compose-1"


class ComposeTarget:
    """Environments as projects of Docker Compose; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        identifiers.check_commit(spec.source.commit)
        resource_limits.total(settings.from_mapping(spec.settings), spec.resources)

        def run() -> None:
            from programs.targets.compose.v1 import export_project

            self.ensure(spec.settings)
            export_project(spec, VERSION)

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        """Environments share nothing that Eph starts: the engine is the operator's."""
        host = settings.from_mapping(settings_)
        files.make_folder(host.root)
        files.make_folder(host.routes)
        host_settings.save(host)

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Nothing of Eph's runs besides the environments."""

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        host = settings.from_mapping(settings_)
        if inventory.exists(host):
            environments.remove(host, name)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return inventory.list_names(settings.from_mapping(settings_))

    def list_remaining(self, settings_: Mapping[str, str]) -> list[str]:
        return inventory.list_remaining(settings.from_mapping(settings_))

    def list_resources(self, settings_: Mapping[str, str]) -> list[HeldResource]:
        return inventory.list_resources(settings.from_mapping(settings_))

    def delete_resource(self, resource: HeldResource, settings_: Mapping[str, str]) -> bool:
        return inventory.delete_resource(settings.from_mapping(settings_), resource)

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return {inventory.PULUMI_KIND: inventory.list_whole(settings.from_mapping(settings_))}

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        suspend.sleep(settings.from_mapping(settings_), name)

    def wake(self, name: str, settings_: Mapping[str, str], wait: bool = True) -> None:
        suspend.wake(settings.from_mapping(settings_), name, wait)

    def restart(self, name: str, settings_: Mapping[str, str], service: str) -> list[str]:
        return suspend.restart(settings.from_mapping(settings_), name, service)

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        return container_logs.read_logs(settings.from_mapping(settings_), name, request)

    def inspect(self, name: str, settings_: Mapping[str, str]) -> RuntimeInfo:
        return container_logs.inspect(settings.from_mapping(settings_), name)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        return machine_costs.machine_prices()

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        """As if it used its limits. Its volumes have none, so they don't count."""
        host = settings.from_mapping(settings_)
        amounts = machine_costs.parse_resources({**spec.resources, "disk": ""}, host.cpu, host.memory)
        return machine_costs.estimate(price_list, amounts)


TARGET = ComposeTarget()
