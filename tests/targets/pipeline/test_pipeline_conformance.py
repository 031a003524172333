"""The conformance suite on pipelines, with a real Airflow and a real PostgreSQL. Row: T6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from orchestrator.conformance.suite import Commit, TargetConformance
from orchestrator.demo.airflow import pipeline_repository
from tests.targets.pipeline.pipeline_machine import PipelineMachine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(1800)]

DAG = """
from datetime import datetime

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import dag


@dag(schedule="@daily", start_date=datetime(2026, 11, 1))
def NAME() -> None:
    SQLExecuteQueryOperator(task_id="total", conn_id="warehouse", sql="SELECT count(*) FROM orders")


NAME()
"""
EPH_YAML = pipeline_repository.shop_files()["eph.yaml"].replace("  run: [orders]\n", "")


def commit(name: str) -> Commit:
    """The page lists the DAGs."""
    return Commit({"eph.yaml": EPH_YAML, "dags/one.py": DAG.replace("NAME", name)}, f"DAG {name}")


class TestPipeline(TargetConformance):
    target = "pipeline"
    first = commit("first_dag")
    second = commit("second_dag")
    broken = Commit({**first.files, "dags/one.py": f"{DAG}\nimport nosuchmodule\n"})


@pytest.fixture(scope="class")
def conformance_settings(pipelines: PipelineMachine) -> Iterator[Mapping[str, Any]]:
    yield {**pipelines.airflow.settings(), "data_url": pipelines.warehouse.url, "parse_seconds": 120}
    assert pipelines.warehouse.leftovers() == [], "as the warehouse lists it"
