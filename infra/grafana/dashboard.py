"""Prints the Grafana dashboard for Eph: ``python infra/grafana/dashboard.py > infra/grafana/eph-dashboard.json``.

A test compares the file with this program, and runs each panel's query on a Prometheus that scrapes an ephd.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, PER_ROW = 8, 8, 3
FILTER = 'target=~"$target",repository=~"$repository"'
_FAILED = f"eph_failures_total{{{FILTER}}}"
HOURLY = f"max by (target, repository) (eph_cost_hourly_dollars{{{FILTER}}})"
"""Each replica has the same."""
FAILURES = f"clamp_min({_FAILED} - {_FAILED} offset 1h, 0) or {_FAILED}"
"""In the last hour. `increase` wouldn't show the first one of a step."""


@dataclass(frozen=True)
class Panel:
    """``queries``: an expression by its legend."""

    title: str
    description: str
    queries: dict[str, str]
    unit: str = "short"


def _quantiles(metric: str, by: str, more: str = "") -> dict[str, str]:
    rate = f"sum by (le, {by}) (rate({metric}_bucket{{{FILTER}{more}}}[$__rate_interval]))"
    return {
        f"median {{{{{by}}}}}": f"histogram_quantile(0.5, {rate})",
        f"95th percentile {{{{{by}}}}}": f"histogram_quantile(0.95, {rate})",
    }


ROWS: dict[str, tuple[Panel, ...]] = {
    "How long people wait": (
        Panel(
            "Commit to URL",
            "From the first sight of a commit until its URL responds: what a developer waits for.",
            _quantiles("eph_ready_seconds", "target"),
            "s",
        ),
        Panel(
            "Time in the queue", "For a free slot or for memory.", _quantiles("eph_queue_wait_seconds", "target"), "s"
        ),
        Panel(
            "Wake",
            "From a visit to a sleeping preview until it runs.",
            _quantiles("eph_operation_seconds", "target", ',verb="wake"'),
            "s",
        ),
        Panel(
            "Create and update",
            "Duration of `up`, by repository.",
            _quantiles("eph_operation_seconds", "repository", ',verb="up"'),
            "s",
        ),
        Panel(
            "Destroy", "Duration of a destroy.", _quantiles("eph_operation_seconds", "target", ',verb="destroy"'), "s"
        ),
        Panel(
            "Failures by step",
            "Operations that failed in the last hour, and the step that did.",
            {"{{repository}}: {{verb}}, {{step}}": f"sum by (repository, verb, step) ({FAILURES})"},
        ),
    ),
    "Environments": (
        Panel("By phase", "Environments in each phase.", {"{{phase}}": "sum by (phase) (eph_environments) > 0"}),
        Panel("Queue", "Environments that wait for a slot.", {"waiting": "sum(eph_queue_length)"}),
        Panel(
            "Running operations",
            "Creates, updates, sleeps, wakes and destroys.",
            {"running": "sum(eph_operations_running)"},
        ),
    ),
    "Cost": (
        Panel(
            "Cost per hour",
            "Estimated, of everything that exists.",
            {"{{repository}}": f"sum by (repository) ({HOURLY})"},
            "currencyUSD",
        ),
        Panel(
            "Spent in 24 hours",
            "Estimated, by repository.",
            {"{{repository}}": f"sum by (repository) (increase(eph_cost_spent_dollars_total{{{FILTER}}}[1d]))"},
            "currencyUSD",
        ),
        Panel(
            "Saved in 24 hours",
            "What it would have cost more without sleep, schedules, expiry, sharing, small sizes and spot.",
            {"{{strategy}}": f"sum by (strategy) (increase(eph_cost_saved_dollars_total{{{FILTER}}}[1d]))"},
            "currencyUSD",
        ),
        Panel(
            "Budgets",
            "The share of this month's budgets that is spent. At 100 % new environments wait.",
            {"{{repository}}": "max by (repository) (eph_cost_month_dollars / eph_cost_budget_dollars)"},
            "percentunit",
        ),
    ),
    "Service": (
        Panel("Cycle", "How long the last reconcile cycle took.", {"{{instance}}": "eph_cycle_seconds"}, "s"),
        Panel(
            "Age of the last cycle",
            "Grows when the loop hangs.",
            {"{{instance}}": "time() - eph_last_cycle_time_seconds"},
            "s",
        ),
        Panel("Everything could be read", "1 if the last cycle was complete.", {"{{instance}}": "eph_cycle_complete"}),
        Panel(
            "Requests to the Git host",
            "Per hour. Free ones don't count against the rate limit.",
            {"{{quota}}": "sum by (quota) (rate(eph_forge_requests_total[$__rate_interval])) * 3600"},
        ),
        Panel("Leader", "1 on the replica that leads.", {"{{instance}}": "eph_leads"}),
        Panel("Versions", "Running versions of Eph.", {"{{version}}": "count by (version) (eph_info)"}),
    ),
}


def dashboard() -> dict[str, Any]:
    return {
        "title": "Eph",
        "uid": "eph",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "tags": ["eph"],
        "templating": {"list": [_source(), _variable("target"), _variable("repository")]},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        place = {"x": 0, "y": y, "w": PER_ROW * WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        for index, panel in enumerate(panels):
            number += 1
            row, column = divmod(index, PER_ROW)
            yield _panel(panel, number, {"x": column * WIDTH, "y": y + 1 + row * HEIGHT, "w": WIDTH, "h": HEIGHT})
        y += 1 + -(-len(panels) // PER_ROW) * HEIGHT


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    queries = enumerate(panel.queries.items())
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for index, (legend, expression) in queries
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(label: str) -> dict[str, Any]:
    query = f"label_values(eph_operation_seconds_count, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1)
    sys.stdout.write("\n")
