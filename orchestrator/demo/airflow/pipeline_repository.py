"""The demo's repository for the target `pipeline`: a DAG, its SQL template and a package of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.demo import leftover_wording
from orchestrator.demo.airflow import airflow_process, warehouse, wording
from orchestrator.demo.airflow.airflow_process import RunningAirflow
from orchestrator.demo.airflow.warehouse import Warehouse

TARGET = "pipeline"
FOLDER = Path(__file__).parents[1] / "pipeline_shop"
TOTAL, PRICES = "dags/sql/total.sql", "dags/shop/prices.py"
CLEARED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DemoPipelines:
    airflow: RunningAirflow
    warehouse: Warehouse

    def settings(self) -> dict[str, Any]:
        """The tables of a server that runs pipelines on them."""
        return {
            "targets": {"allowed": (TARGET,), "default": TARGET},
            TARGET: {**self.airflow.settings(), "data_url": self.warehouse.url},
        }

    def leftovers(self, names: Iterable[str]) -> list[str]:
        """What Airflow and the warehouse have of destroyed environments, by their own databases. Airflow forgets a
        file's errors only when it looks at its folder again."""
        wanted, deadline = list(names), time.monotonic() + CLEARED_SECONDS
        while (found := self._find(wanted)) and time.monotonic() < deadline:
            time.sleep(1)
        return found

    def _find(self, names: list[str]) -> list[str]:
        rows = [f"{table} ({name})" for name in names for table in self.airflow.count_rows(name)]
        paths = [str(path) for name in names for path in self.airflow.home.rglob(f"*{name}*")]
        return [*(leftover_wording.airflow_table(row) for row in rows), *paths, *self.warehouse.leftovers()]


def shop_files() -> dict[str, str]:
    paths = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(FOLDER)): path.read_text() for path in paths}


def pull_files() -> Iterable[tuple[str, str, dict[str, str]]]:
    """Branches, titles and changed files, as for the other targets. Each branch has its own code or its own query."""
    shop = shop_files()
    tea = shop[TOTAL].replace("FROM orders", "FROM orders WHERE product = 'Tea'")
    return (
        ("warmer-colour", "Totals in words", {PRICES: shop[PRICES].replace("total", "the total is")}),
        ("sell-tea", "Totals of tea", {TOTAL: tea}),
    )


@contextlib.contextmanager
def running(python: str, home: Path, say: Callable[[str], None]) -> Iterator[DemoPipelines]:
    say(wording.STARTING_AIRFLOW)
    with (
        warehouse.running(home / "warehouse") as data,
        airflow_process.running(python, home / "airflow") as airflow,
    ):
        yield DemoPipelines(airflow, data)
