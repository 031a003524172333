"""One run of a DAG: started, followed until it ends, with the state of its tasks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from programs.kit.errors import TargetError
from programs.targets.pipeline import names, wording
from programs.targets.pipeline.airflow import dags
from programs.targets.pipeline.airflow.client import AirflowClient, AirflowError, segment

ENDED = ("success", "failed")
GOOD = ("success", "skipped", "removed")
MAX_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class TaskRun:
    task: str
    state: str
    seconds: float
    attempt: int
    map_index: int = -1

    @property
    def name(self) -> str:
        return self.task if self.map_index < 0 else f"{self.task}[{self.map_index}]"


@dataclass(frozen=True, slots=True)
class DagRun:
    """``state``: queued, running, success or failed."""

    dag: str
    run_id: str
    state: str
    seconds: float
    tasks: tuple[TaskRun, ...] = ()

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


def start(client: AirflowClient, environment: str, dag: str, parameters: Mapping[str, Any]) -> str:
    """Returns the ID of the run. ``dag`` is the ID in the repository."""
    path = f"dags/{segment(names.prefix(environment) + dag)}"
    run_id = f"eph__{uuid.uuid4().hex[:12]}"
    body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(parameters)}
    try:
        client.post(f"{path}/dagRuns", body)
    except AirflowError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            known = sorted(item.name for item in dags.list_of(client, environment))
            raise TargetError(wording.unknown_dag(dag, environment, known)) from None
        raise
    return run_id


def read(client: AirflowClient, environment: str, dag: str, run_id: str) -> DagRun:
    path = f"dags/{segment(names.prefix(environment) + dag)}/dagRuns/{segment(run_id)}"
    run = client.get(path)
    tasks = [
        TaskRun(
            str(item["task_id"]),
            str(item["state"] or "waiting"),
            float(item["duration"] or 0.0),
            int(item["try_number"] or 0),
            int(item["map_index"]),
        )
        for item in client.list_all(f"{path}/taskInstances", "task_instances", order_by="start_date")
    ]
    return DagRun(dag, run_id, str(run["state"]), float(run.get("duration") or 0.0), tuple(tasks))


def log_lines(client: AirflowClient, environment: str, run: DagRun, task: TaskRun) -> list[str]:
    """The last lines of a task's last attempt. Empty if Airflow can't read them."""
    path = f"dags/{segment(names.prefix(environment) + run.dag)}/dagRuns/{segment(run.run_id)}"
    where = f"{path}/taskInstances/{segment(task.task)}/logs/{max(1, task.attempt)}"
    try:
        content = client.get(where, map_index=task.map_index, full_content=True)["content"]
    except AirflowError:
        return []
    lines = [_line(item) for item in content] if isinstance(content, list) else str(content).splitlines()
    return [line for line in lines if line][-MAX_LOG_LINES:]


def _line(item: Any) -> str:
    """Structured records carry the text, and for an exception its type and message."""
    if not isinstance(item, dict):
        return str(item)
    text = str(item.get("event", ""))
    for detail in item.get("error_detail") or ():
        text += f" {detail.get('exc_type', '')}: {detail.get('exc_value', '')}"
    return "" if text.startswith("::") else text


def newest(client: AirflowClient, environment: str, dag: str) -> DagRun | None:
    path = f"dags/{segment(names.prefix(environment) + dag)}/dagRuns"
    found = client.get(path, limit=1, order_by="-run_after")["dag_runs"]
    return read(client, environment, dag, str(found[0]["dag_run_id"])) if found else None
