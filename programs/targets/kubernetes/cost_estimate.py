"""What one environment reserves in the cluster: the limits of its pods, and its volumes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from programs.costs import CostEstimate, PriceList
from programs.kit import machine_costs
from programs.kit.machine_costs import ReservedAmounts
from programs.spec import EnvironmentSpec
from programs.targets.kubernetes import shared_postgres
from programs.targets.kubernetes.rendering import namespace_objects, servers
from programs.targets.kubernetes.settings import KubernetesSettings

CONTAINER_LIMITS = ("500m", "512Mi")
"""The limits of a container that sets none; the namespace's limit range has the same."""
_DATABASE = ("1", "512Mi")
_DATABASE_VOLUME = "5Gi"


def estimate(spec: EnvironmentSpec, settings: KubernetesSettings, prices: PriceList) -> CostEstimate:
    return machine_costs.estimate(prices, _amounts(spec, settings), spot=bool(settings.spot))


def _amounts(spec: EnvironmentSpec, settings: KubernetesSettings) -> ReservedAmounts:
    """What is in manifests isn't known here, so with manifests the environment's own limits count."""
    cpu, memory = namespace_objects.environment_limits(spec, settings)
    limit = machine_costs.parse_resources({}, cpu, memory)
    disk = sum(_volumes(spec, settings), Decimal(0))
    if spec.manifests:
        return ReservedAmounts(limit.cpu, limit.memory, disk)
    pods = list(_pods(spec, settings))
    return ReservedAmounts(
        min(limit.cpu, sum((pod.cpu for pod in pods), Decimal(0))),
        min(limit.memory, sum((pod.memory for pod in pods), Decimal(0))),
        disk,
    )


def _pods(spec: EnvironmentSpec, settings: KubernetesSettings) -> Iterator[ReservedAmounts]:
    """Cron jobs run too rarely to count."""
    for service in spec.services:
        if not service.schedule:
            yield machine_costs.parse_resources(service.resources, *CONTAINER_LIMITS)
    for database in spec.databases:
        if not shared_postgres.is_shared(database, settings):
            yield machine_costs.parse_resources({}, *_DATABASE)
    if spec.mail:
        yield machine_costs.parse_resources(servers.MAIL_LIMITS, *CONTAINER_LIMITS)


def _volumes(spec: EnvironmentSpec, settings: KubernetesSettings) -> Iterator[Decimal]:
    """Without a storage class, nothing outlives its pod."""
    if not settings.storage_class:
        return
    for service in spec.services:
        yield from map(machine_costs.parse_amount, service.volumes.values())
    for database in spec.databases:
        if not shared_postgres.is_shared(database, settings):
            own = servers.PODS.get(database.engine)
            yield machine_costs.parse_amount(own.storage if own else _DATABASE_VOLUME)
    if spec.mail:
        yield machine_costs.parse_amount(servers.MAIL_STORAGE)
