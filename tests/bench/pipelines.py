"""The row about pipelines: a branch on the shared Airflow, against what a newcomer would do: a new Airflow for it."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time

from orchestrator.demo.airflow import airflow_process
from programs.targets.pipeline.target import TARGET
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import temporary_folder
from tests.targets.pipeline import pipeline_machine
from tests.targets.pipeline.pipeline_machine import PipelineMachine

ROUNDS = 3
READY_SECONDS = 60.0


async def pipeline(size: Size) -> Row:
    """Needs an installed Airflow (`make airflow`); `infra/toolchain/airflow.sh` prints the variable's value."""
    python = airflow_process.find_python()
    return await asyncio.to_thread(_measure, python, min(ROUNDS, size.pairs))


def _measure(python: str, rounds: int) -> Row:
    ours, theirs = [], []
    with pipeline_machine.pipeline_machine() as machine:
        _deploy(machine)  # the first one also copies the shared loader
        for _ in range(rounds):
            ours.append(_deploy(machine))
            theirs.append(_new_airflow(python))
    return Row(
        "pipeline",
        (
            Figure("seconds", statistics.median(ours), READY_SECONDS),
            Figure("ratio", statistics.median(ours) / statistics.median(theirs), 0.5),
        ),
        f"the branch's DAGs parsed, with its own schema, on the shared Airflow: {seconds(ours)}",
        f"a new Airflow without any DAG, until it is healthy: {seconds(theirs)}",
    )


def _deploy(machine: PipelineMachine) -> float:
    name = f"shop-bench-{secrets.token_hex(3)}-1"
    begun = time.monotonic()
    machine.deploy(name, {})
    taken = time.monotonic() - begun
    TARGET.purge(name, machine.strings)
    return taken


def _new_airflow(python: str) -> float:
    with temporary_folder() as home:
        begun = time.monotonic()
        with airflow_process.running(python, home / "airflow"):
            return time.monotonic() - begun
