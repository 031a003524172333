"""The static target's entry point. Cheap to import: Pulumi is imported only by ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from programs.build_caches import CacheArchive
from programs.costs import CostEstimate, PriceList
from programs.kit import identifiers, machine_costs
from programs.kit.build_cache import archives
from programs.kit.isolation import limits
from programs.kit.machine_costs import ReservedAmounts
from programs.kit.processes import supervisor
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec
from programs.targets.static import settings, shared_processes, sites
from programs.targets.static.description import DESCRIPTION

VERSION = "static-1"


class StaticTarget:
    """Static sites on this machine; see ``programs.registry.Target``."""

    version = VERSION
    description = DESCRIPTION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        identifiers.check_commit(spec.source.commit)

        def run() -> None:
            from programs.targets.static.v1 import export_site

            self.ensure(spec.settings)
            export_site(spec, VERSION)

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
            sites.remove(host, name)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return sites.list_names(settings.from_mapping(settings_))

    def list_remaining(self, settings_: Mapping[str, str]) -> list[str]:
        return sites.list_remaining(settings.from_mapping(settings_))

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        return sites.read_logs(settings.from_mapping(settings_), name, request)

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return {"StaticSite": sites.list_complete(settings.from_mapping(settings_))}

    def list_build_caches(self, settings_: Mapping[str, str]) -> list[CacheArchive]:
        return archives.list_archives(settings.from_mapping(settings_))

    def remove_build_cache(self, repository: str, settings_: Mapping[str, str]) -> bool:
        return archives.remove(settings.from_mapping(settings_), repository)

    def price_list(self, settings_: Mapping[str, str]) -> PriceList:
        return machine_costs.machine_prices()

    def prices(self, spec: EnvironmentSpec, settings_: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        """A site has no process, so only its files count, as if they were as large as they may be."""
        amounts = ReservedAmounts(disk=Decimal(settings.from_mapping(settings_).site_bytes))
        return machine_costs.estimate(price_list, amounts, sleeps=False)


TARGET = StaticTarget()
