"""What the loader changes in DAGs, with Airflow's own classes but without its services. Rows: T5, S3."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from programs.targets.pipeline import names, settings
from programs.targets.pipeline.dag_folder import DagFolder
from tests.targets.pipeline import pipeline_machine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

FIRST, SECOND = "shop-gentle-stream-42", "shop-calm-brook-43"
SCRIPT = """
import json, runpy, sys
found = {}
for wrapper in sys.argv[1:]:
    for value in runpy.run_path(wrapper).values():
        if type(value).__name__ == "DAG":
            found[value.dag_id] = {
                "name": value.dag_display_name,
                "tags": sorted(value.tags),
                "timetable": type(value.timetable).__name__,
                "paused": value.is_paused_upon_creation,
                "searchpath": list(value.template_searchpath),
                "doc": value.description,
                "tasks": {
                    task.task_id: {
                        name: getattr(task, name, None) if not getattr(task, "partial_kwargs", None)
                        else task.partial_kwargs.get(name)
                        for name in ("trigger_dag_id", "external_dag_id", "conn_id", "outlets", "owner",
                                     "email_on_failure")
                    }
                    for task in value.tasks
                },
            }
print("RESULT " + json.dumps(found))
"""
CHAIN = '''
"""An Airflow DAG file with everything that refers to something outside of it."""
from datetime import datetime

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.sdk import DAG, Asset
from shop import WHO

with DAG("chain", schedule="@hourly", start_date=datetime(2026, 11, 1), description=WHO, tags=["own"]) as dag:
    TriggerDagRunOperator(task_id="next", trigger_dag_id="orders")
    TriggerDagRunOperator(task_id="listed", trigger_dag_id="load")
    TriggerDagRunOperator(task_id="again", trigger_dag_id=dag.dag_id)
    ExternalTaskSensor(task_id="sibling", external_dag_id="orders")
    ExternalTaskSensor(task_id="outside", external_dag_id="load")
    SQLExecuteQueryOperator(task_id="sql", conn_id="warehouse", sql="x.sql", outlets=[Asset("shared")], owner="me")
    SQLExecuteQueryOperator(task_id="other", conn_id="elsewhere", sql="SELECT 1")
    SQLExecuteQueryOperator.partial(task_id="many", conn_id="warehouse").expand(sql=["SELECT 1", "SELECT 2"])

DAG("inner", schedule=None)
'''
HELPER = '"""Mentions dag and airflow but defines none."""\n'


def deploy(folder: Path, name: str, content: Mapping[str, str], **changes: Any) -> Path:
    host = settings.from_mapping(
        {"root": str(folder), "server": "eph-c0ffee", "airflow_url": "x", "dags_folder": str(folder / "dags")}
    )
    for path, text in content.items():
        target = folder / "checkout" / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    found = DagFolder(host, name)
    found.copy_tree(folder / "checkout" / name, "one")
    record = {
        "prefix": names.prefix(name),
        "tree": "one",
        "dags": "dags",
        "python_path": ["src"],
        "connections": {"warehouse": f"{name}__warehouse"},
        "env": {},
        "label": "pr-42",
        "tags": ["eph:eph-c0ffee", "pr-42"],
        "owner": "",
        "schedules": False,
        "external_dags": ["load"],
    }
    found.activate({**record, **changes})
    return found.wrapper


def load(folder: Path, *wrappers: Path, context: str = "") -> tuple[dict[str, Any], str]:
    python = pipeline_machine.airflow_python()
    env = {"AIRFLOW_HOME": str(folder / "airflow"), "HOME": str(folder), "PATH": os.defpath}
    if context:
        env["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = context
    command = [python, "-c", SCRIPT, *map(str, wrappers)]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=200)
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return (json.loads(result[0].removeprefix("RESULT ")) if result else {}), done.stderr


def sample(who: str) -> dict[str, str]:
    return {"dags/etl/chain.py": CHAIN, "dags/helper.py": HELPER, "src/shop/__init__.py": f"WHO = {who!r}\n"}


def test_everything_that_refers_to_something_outside_leads_to_the_environment(tmp_path: Path) -> None:
    wrapper = deploy(tmp_path, FIRST, sample("one"))
    found, errors = load(tmp_path, wrapper)
    assert list(found) == [f"{FIRST}__chain"], errors
    dag = found[f"{FIRST}__chain"]
    assert (dag["name"], dag["tags"]) == ("chain (pr-42)", ["eph:eph-c0ffee", "own", "pr-42"])
    assert (dag["timetable"], dag["paused"]) == ("NullTimetable", False)
    assert dag["searchpath"][0].endswith("/one/dags/etl")
    tasks = dag["tasks"]
    assert tasks["next"]["trigger_dag_id"] == f"{FIRST}__orders"
    assert tasks["listed"]["trigger_dag_id"] == f"{FIRST}__load", "nothing outside is ever started"
    assert tasks["again"]["trigger_dag_id"] == f"{FIRST}__chain"
    assert tasks["sibling"]["external_dag_id"] == f"{FIRST}__orders"
    assert tasks["outside"]["external_dag_id"] == "load"
    assert tasks["sql"]["conn_id"] == f"{FIRST}__warehouse"
    assert tasks["many"]["conn_id"] == f"{FIRST}__warehouse"
    assert tasks["other"]["conn_id"] == "elsewhere"
    assert (tasks["sql"]["outlets"], tasks["sql"]["owner"]) == ([], "me")
    assert not any(task["email_on_failure"] for task in tasks.values())


def test_two_branches_in_one_process_keep_their_own_modules(tmp_path: Path) -> None:
    wrappers = [deploy(tmp_path, name, sample(name)) for name in (FIRST, SECOND)]
    found, errors = load(tmp_path, *wrappers)
    assert {dag_id: dag["doc"] for dag_id, dag in found.items()} == {
        f"{FIRST}__chain": FIRST,
        f"{SECOND}__chain": SECOND,
    }, errors


def test_schedules_stay_if_the_repository_wants_them(tmp_path: Path) -> None:
    found, errors = load(tmp_path, deploy(tmp_path, FIRST, sample("one"), schedules=True))
    assert found[f"{FIRST}__chain"]["timetable"] != "NullTimetable", errors


def test_a_task_loads_only_the_file_of_its_dag(tmp_path: Path) -> None:
    """Another file of the branch that fails doesn't affect it."""
    content = {**sample("one"), "dags/aaa.py": '"""airflow dag"""\nraise RuntimeError("not mine")\n'}
    wrapper = deploy(tmp_path, FIRST, content)
    found, errors = load(tmp_path, wrapper, context=f"{FIRST}__chain")
    assert list(found) == [f"{FIRST}__chain"], errors
    found, errors = load(tmp_path, wrapper)
    assert found == {}
    assert "DagFileError: one: dags/aaa.py, line 2: RuntimeError: not mine" in errors


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"dags/helper.py": HELPER}, "one: dags: no file in this folder defines a DAG"),
        (
            {f"dags/{name}.py": 'from airflow.sdk import DAG\nx = DAG("same", schedule=None)\n' for name in "ab"},
            "one: dags/b.py: the DAG same is also defined in dags/a.py",
        ),
        ({"dags/a.py": f'from airflow.sdk import DAG\nx = DAG("{"x" * 240}", schedule=None)\n'}, "dags/a.py, line 2"),
    ],
)
def test_what_can_not_be_loaded_is_one_error(tmp_path: Path, content: Mapping[str, str], error: str) -> None:
    found, errors = load(tmp_path, deploy(tmp_path, FIRST, content, python_path=[]))
    assert found == {}
    assert error in errors
