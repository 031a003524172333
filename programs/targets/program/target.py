"""The program target's entry point. Cheap to import: Pulumi is imported only by ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.build_caches import CacheArchive
from programs.costs import CostEstimate, PriceList
from programs.kit import identifiers, machine_costs
from programs.kit.build_cache import archives
from programs.kit.isolation import limits
from programs.kit.machine_costs import ReservedAmounts
from programs.kit.processes import supervisor
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec
from programs.targets.program import addresses, project_logs, projects, settings, shared_processes
from programs.targets.program.description import DESCRIPTION

VERSION = "program-1"


class ProgramTarget:
    """Pulumi projects of repositories; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        identifiers.check_commit(spec.source.commit)

        def run() -> None:
            from programs.targets.program.v1 import export_project

            self.ensure(spec.settings)
            export_project(spec, VERSION)

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        shared_processes.ensure(settings.from_mapping(settings_))

    def stop(self, settings_: Mapping[str, str]) -> None:
        host = settings.from_mapping(settings_)
        supervisor.stop(host)
        limits.remove_empty(host)

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        host = settings.from_mapping(settings_)
        if host.root.exists():
            projects.destroy(host, name)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return addresses.list_names(settings.from_mapping(settings_))

    def list_remaining(self, settings_: Mapping[str, str]) -> list[str]:
        return [f"project {name}" for name in sorted(self.list_environments(settings_))]

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        return project_logs.read(settings.from_mapping(settings_), name, request)

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        host = settings.from_mapping(settings_)
        return {
            "Project": frozenset(name for name in addresses.list_complete(host) if projects.is_complete(host, name))
        }

    def list_build_caches(self, settings_: Mapping[str, str]) -> list[CacheArchive]:
        return archives.list_archives(settings.from_mapping(settings_))

    def remove_build_cache(self, repository: str, settings_: Mapping[str, str]) -> bool:
        return archives.remove(settings.from_mapping(settings_), repository)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        return machine_costs.machine_prices()

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        """Eph doesn't know what a project creates, so only the price of a whole environment counts."""
        return machine_costs.estimate(price_list, ReservedAmounts(), sleeps=False)


TARGET = ProgramTarget()
