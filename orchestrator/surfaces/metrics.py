"""Prometheus metrics: the present state, computed on each scrape, and what the meter has measured.

The names are listed in docs/reference/api.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.core.views.phases import Phase
from orchestrator.service.port import EnvironmentService, ForgeUsage, ServiceStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render(environment_service: EnvironmentService, measurements: CollectorRegistry) -> bytes:
    registry = CollectorRegistry()
    registry.register(_ServiceCollector(environment_service))
    return generate_latest(registry) + generate_latest(measurements)


class _ServiceCollector(Collector):
    def __init__(self, environment_service: EnvironmentService) -> None:
        self._environment_service = environment_service

    def collect(self) -> Iterator[Metric]:
        status = self._environment_service.status()
        if status.last_cycle is not None:  # before, nothing is known, and zeros would be wrong
            yield from _environments(self._environment_service)
            yield from _costs(self._environment_service)
        yield from _service(status)

    def describe(self) -> list[Metric]:
        # An empty description keeps the registry from collecting once just to learn the names.
        return []


def _environments(environment_service: EnvironmentService) -> Iterator[Metric]:
    family = GaugeMetricFamily("eph_environments", "Environments by phase", labels=["phase"])
    counts = Counter(view.phase for view in environment_service.environments())
    # Phases without environments are included: a series that disappears breaks alerts.
    for phase in Phase:
        family.add_metric([phase.value], counts[phase])
    yield family


def _costs(environment_service: EnvironmentService) -> Iterator[Metric]:
    """Rates by target and repository, and budgets. What was spent is counted where it is measured."""
    rates: dict[tuple[str, str], Decimal] = {}
    for view in environment_service.environments():
        if view.cost is not None:
            place = (view.target, view.repository)
            rates[place] = rates.get(place, Decimal(0)) + view.cost.hourly
    family = GaugeMetricFamily(
        "eph_cost_hourly_dollars", "Estimated cost per hour of what exists", labels=["target", "repository"]
    )
    for place, rate in rates.items():
        family.add_metric(place, float(rate))
    yield family
    amounts = GaugeMetricFamily("eph_cost_budget_dollars", "Budget for a month", labels=["repository"])
    spent = GaugeMetricFamily("eph_cost_month_dollars", "Spent this month of a budget", labels=["repository"])
    for state in environment_service.budgets():
        amounts.add_metric([state.repository], float(state.amount))
        spent.add_metric([state.repository], float(state.spent))
    yield amounts
    yield spent


def _service(status: ServiceStatus) -> Iterator[Metric]:
    info = GaugeMetricFamily("eph_info", "The running version", labels=["version"])
    info.add_metric([status.version], 1)
    yield info
    yield _gauge("eph_start_time_seconds", "Start time of ephd", status.started.timestamp())
    if status.last_cycle is not None:
        yield _gauge("eph_last_cycle_time_seconds", "End time of the last cycle", status.last_cycle.timestamp())
    yield _gauge("eph_cycle_seconds", "Duration of the last cycle", status.cycle_seconds)
    yield _gauge("eph_cycle_complete", "1 if the last cycle could read everything", float(status.complete))
    yield _gauge("eph_operations_running", "Running operations", status.running)
    yield _gauge("eph_paused", "1 if a person paused the server, so that it starts nothing", float(bool(status.pause)))
    yield _gauge("eph_leads", "1 if this replica is the leader", float(status.leads))
    yield _gauge("eph_leader_term", "Increases by one with each change of the leader", status.term)
    yield _gauge("eph_queue_length", "Environments waiting in the queue", status.queued)
    if status.forge is not None:
        yield from _forge(status.forge)


def _forge(usage: ForgeUsage) -> Iterator[Metric]:
    family = CounterMetricFamily("eph_forge_requests", "Requests to the Git host", labels=["quota"])
    family.add_metric(["counted"], usage.counted)
    family.add_metric(["free"], usage.free)
    yield family
    if usage.limit >= 0:
        yield _gauge(
            "eph_forge_quota_remaining", "Remaining requests of the token that has the fewest left", usage.remaining
        )
        yield _gauge("eph_forge_quota_limit", "Requests that the token may make per hour", usage.limit)
    yield _gauge("eph_forge_blocked_seconds", "How long the Git host asked Eph to wait", usage.blocked_for)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
