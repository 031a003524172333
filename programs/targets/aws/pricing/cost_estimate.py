"""The cost of what one environment reserves on AWS, and what sharing, Spot and small sizes save."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from programs.costs import CostEstimate, CostSheet, CostStrategy, HourlyRate, PriceList, StrategyComparison
from programs.spec import EnvironmentSpec
from programs.targets.aws import data_sources, sizing
from programs.targets.aws.pricing import wording
from programs.targets.aws.pricing.price_data import cpu_item, instance_item, memory_item, on_spot
from programs.targets.aws.settings import AwsSettings, split_list
from programs.targets.aws.sizing import SIZES, EnvironmentSize

_CPU_UNITS = Decimal(1024)
_MIB_PER_GB = Decimal(1024)
_OWN_ZONES = 2
_SECRETS_OF_A_MASK = 3


@dataclass(frozen=True, slots=True)
class _Build:
    """How an environment is built, as far as it affects the cost."""

    size: EnvironmentSize
    uses_spot: bool
    shares_load_balancer: bool


def estimate(spec: EnvironmentSpec, settings: AwsSettings, prices: PriceList) -> CostEstimate:
    size = sizing.environment_size(spec.options.get("size", "ephemeral"), settings.largest_size)
    build = _Build(size, settings.uses_spot, bool(settings.listener))

    def rate(other: _Build) -> HourlyRate:
        return _sheet(spec, settings, prices, other).estimate().rate

    def compare(before: _Build, after: _Build) -> StrategyComparison:
        return StrategyComparison(rate(before), rate(after), used=after == build)

    strategies = {
        CostStrategy.SIZE: compare(replace(build, size=SIZES["full"]), replace(build, size=SIZES["ephemeral"])),
        CostStrategy.SHARING: compare(
            replace(build, shares_load_balancer=False), replace(build, shares_load_balancer=True)
        ),
        CostStrategy.SPOT: compare(replace(build, uses_spot=False), replace(build, uses_spot=True)),
    }
    return _sheet(spec, settings, prices, build).estimate(strategies, wording.EXCLUDED)


def _sheet(spec: EnvironmentSpec, settings: AwsSettings, prices: PriceList, build: _Build) -> CostSheet:
    sheet = CostSheet(on_spot(prices) if build.uses_spot else prices)
    for service in spec.services:
        task = sizing.service_size(service, build.size)
        count = build.size.replicas
        sheet.add(wording.cpu_of(service.name), cpu_item(settings.architecture), count * task.cpu / _CPU_UNITS)
        memory = count * task.memory_mib / _MIB_PER_GB
        sheet.add(wording.memory_of(service.name), memory_item(settings.architecture), memory)
        sheet.add(wording.address_of(service.name), "public_ipv4", count)
    own = [item for item in spec.databases if item.strategy != data_sources.READ_REPLICA]
    for database in own:
        sheet.add(wording.database(database.name), instance_item(build.size.instance_class), 1)
        sheet.add(wording.storage_of(database.name), "rds_gp3", build.size.storage_gb, asleep=True)
    if any(service.public for service in spec.services) and not build.shares_load_balancer:
        sheet.add(wording.LOAD_BALANCER, "load_balancer", 1, asleep=True)
        zones = len(split_list(settings.subnets)) or _OWN_ZONES
        sheet.add(wording.LOAD_BALANCER_ADDRESSES, "public_ipv4", zones, asleep=True)
    sheet.add(wording.SECRETS, "secret", _secret_count(spec), asleep=True)
    return sheet


def _secret_count(spec: EnvironmentSpec) -> int:
    """One for each URL, three for each mask."""
    masked = sum(item.strategy == data_sources.SNAPSHOT for item in spec.databases)
    return len(spec.databases) + masked * _SECRETS_OF_A_MASK + bool(spec.secrets)
