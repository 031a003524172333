"""The demo's repository for the target `pipeline`: a DAG, its SQL template and a package of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.demo.airflow.airflow_process import RunningAirflow
from orchestrator.demo.airflow.warehouse import Warehouse

TARGET = "pipeline"
FOLDER = Path(__file__).parents[1] / "pipeline_shop"


def shop_files() -> dict[str, str]:
    paths = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(FOLDER)): path.read_text() for path in paths}


def settings(airflow: RunningAirflow, warehouse: Warehouse) -> dict[str, Any]:
    """The tables of a server that runs pipelines on them."""
    return {
        "targets": {"allowed": (TARGET,), "default": TARGET},
        TARGET: {**airflow.settings(), "data_url": warehouse.url},
    }
