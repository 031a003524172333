"""Environments on a real Airflow and PostgreSQL, looked at from outside. Rows: T5, T7, L2, S3."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import psycopg
import pytest

from programs.kit import files
from programs.kit.errors import TargetError
from programs.runtime_info import LogRequest
from programs.targets.pipeline import names
from programs.targets.pipeline.airflow import client as airflow_client
from programs.targets.pipeline.airflow import dags
from programs.targets.pipeline.target import TARGET
from tests.targets.pipeline.pipeline_machine import PipelineMachine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

FIRST, SECOND = "shop-gentle-stream-42", "shop-calm-brook-43"
CLEARED_SECONDS = 60
OTHER_PRICES = "def as_text(cents):\n    return 'the other branch'\n"
OTHER_TOTAL = "INSERT INTO daily_totals (day, cents) VALUES ('2026-12-24', 7)\n"
PROBE = '''
"""Writes what a task sees, then fails if it is told to."""
import json
import os
from datetime import datetime

from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import Asset, Variable, dag, task
from shop.prices import as_text


@dag(schedule=[Asset("shared")], start_date=datetime(2026, 11, 1), params={"fail": False})
def probe() -> None:
    @task(outlets=[Asset("shared")])
    def look(params: dict) -> None:
        seen = {"text": as_text(100), "greeting": os.environ["GREETING"], "limit": Variable.get("limit"),
                "environment": os.environ["EPH_ENVIRONMENT"], "schema": os.environ["EPH_DATA"]}
        PostgresHook("warehouse").run("CREATE TABLE IF NOT EXISTS seen (what text)")
        PostgresHook("warehouse").run("INSERT INTO seen VALUES (%s)", parameters=[json.dumps(seen)])
        if params["fail"]:
            raise ValueError("the branch is broken")

    look()


probe()
'''
ADD_UP = '''
"""Opens the file that the connection leads to, and nothing else."""
from datetime import datetime

import duckdb
from airflow.sdk import Connection, dag, task


@dag(schedule=None, start_date=datetime(2026, 11, 1))
def add_up() -> None:
    @task
    def total() -> None:
        with duckdb.connect(Connection.get("warehouse").host) as session:
            session.execute("INSERT INTO daily_totals SELECT day, sum(cents) FROM orders GROUP BY day")

    total()


add_up()
'''
IN_DUCKDB = """
CREATE TABLE orders AS SELECT date '2026-11-02' AS day, unnest([400, 900]) AS cents;
CREATE TABLE daily_totals (day date, cents integer);
INSERT INTO daily_totals VALUES ('2026-10-31', 100), ('2026-11-01', 550);
"""


@pytest.fixture(autouse=True)
def clean(pipelines: PipelineMachine) -> None:
    for name in (FIRST, SECOND):
        TARGET.purge(name, pipelines.strings)


def wait_until_nothing_is_left(machine: PipelineMachine, name: str) -> list[str]:
    """Airflow forgets the errors of a file only when it looks at its folder again."""
    deadline = time.monotonic() + CLEARED_SECONDS
    while (left := machine.left_of(name)) and time.monotonic() < deadline:
        time.sleep(1)
    return left


def test_two_branches_of_one_dag_run_side_by_side_and_leave_nothing(pipelines: PipelineMachine) -> None:
    """Each runs its own code and templates and has its own rows; the shared tables don't change."""
    before = pipelines.warehouse.shared_rows()
    began = time.monotonic()
    assert pipelines.deploy(FIRST, {}).dag_ids == (f"{FIRST}__orders",)
    assert time.monotonic() - began < 60, "ready within a minute"
    pipelines.deploy(SECOND, {"dags/shop/prices.py": OTHER_PRICES, "dags/sql/total.sql": OTHER_TOTAL})
    outputs = {name: pipelines.run(name, "orders") for name in (FIRST, SECOND)}
    assert [code for code, _ in outputs.values()] == [0, 0], "\n".join(output for _, output in outputs.values())
    totals = {name: pipelines.rows(name, "SELECT day::text, cents FROM daily_totals ORDER BY day") for name in outputs}
    assert totals == {
        FIRST: [("2026-11-01", 550), ("2026-11-02", 1300)],
        SECOND: [("2026-11-01", 550), ("2026-12-24", 7)],
    }
    assert pipelines.warehouse.shared_rows() == before
    with airflow_client.connect(pipelines.host) as client:
        found = client.get(f"dags/{FIRST}__orders")
        assert found["dag_display_name"] == "orders (pr-42)"
        assert {item["name"] for item in found["tags"]} >= {"shop", "pr-42", names.owner_tag("eph-c0ffee")}
        assert (found["owners"], found["is_paused"]) == (["team-data"], False)
        assert found["timetable_summary"] in (None, "None"), "it runs only when somebody starts it"
        assert client.get("dags", exclude_stale=False)["total_entries"] == 2, "not under their own names as well"
    assert TARGET.list_environments(pipelines.strings) == {FIRST, SECOND}
    assert "report | " in "\n".join(TARGET.logs(FIRST, pipelines.strings, LogRequest("orders")).lines)

    TARGET.purge(FIRST, pipelines.strings)
    assert wait_until_nothing_is_left(pipelines, FIRST) == []
    assert pipelines.run(SECOND, "orders")[0] == 0, "the neighbour is unaffected"
    TARGET.purge(SECOND, pipelines.strings)
    assert wait_until_nothing_is_left(pipelines, SECOND) == []
    assert pipelines.warehouse.leftovers() == []
    assert pipelines.warehouse.shared_rows() == before


@pytest.mark.exhaustive
def test_dags_read_and_write_their_environments_duckdb_file(pipelines: PipelineMachine, tmp_path: Path) -> None:
    """The copy has the rows that the DAG added, the shared file hasn't; and no file is left."""
    shared, folder = tmp_path / "shared.duckdb", tmp_path / "envs"
    folder.mkdir()
    with duckdb.connect(str(shared)) as session:
        session.execute(IN_DUCKDB)
    pipelines.changed = {"engine": "duckdb", "shared_file": str(shared), "data_folder": str(folder)}
    try:
        pipelines.deploy(FIRST, {"dags/add_up.py": ADD_UP})
        code, output = pipelines.run(FIRST, "add_up")
        assert code == 0, output
        with duckdb.connect(pipelines.urls[FIRST].removeprefix("duckdb:///")) as session:
            rows = session.execute("SELECT day::text, cents FROM daily_totals ORDER BY day").fetchall()
        assert rows == [("2026-11-01", 550), ("2026-11-02", 1300)]
        with duckdb.connect(str(shared)) as session:
            assert session.execute("SELECT sum(cents) FROM daily_totals").fetchall() == [(650,)]
        assert TARGET.list_environments(pipelines.strings) == {FIRST}
        TARGET.purge(FIRST, pipelines.strings)
        assert wait_until_nothing_is_left(pipelines, FIRST) == []
        assert [path for path in folder.rglob("*") if path.is_file()] == []
    finally:
        TARGET.purge(FIRST, pipelines.strings)
        pipelines.changed = {}
        pipelines.urls.pop(FIRST, None)


def test_import_error_names_file_and_line_and_the_last_commit_stays(pipelines: PipelineMachine) -> None:
    pipelines.deploy(FIRST, {})
    broken = {"dags/shop/prices.py": "import json\n\nimport nosuchmodule\n"}
    with pytest.raises(TargetError, match=r"dags/shop/prices\.py, line 3: ModuleNotFoundError") as caught:
        pipelines.deploy(FIRST, broken)
    assert any(line.strip().startswith("dags/orders.py, line 8") for line in caught.value.tail), caught.value.tail
    code, output = pipelines.run(FIRST, "orders")
    assert code == 0, f"the commit before it doesn't run: {output}"
    with pytest.raises(TargetError, match=r"dags/orders\.py, line 1: SyntaxError"):
        pipelines.deploy(SECOND, {"dags/orders.py": "def airflow dag\n"})
    TARGET.purge(SECOND, pipelines.strings)
    pipelines.deploy(FIRST, {})
    assert pipelines.run(FIRST, "orders")[0] == 0


def test_tasks_see_their_environment_and_a_push_replaces_dags_but_not_rows(pipelines: PipelineMachine) -> None:
    pipelines.deploy(FIRST, {"dags/probe.py": PROBE}, variables={"limit": "10"})
    code, output = pipelines.run(FIRST, "probe")
    assert code == 0, output
    [(text,)] = pipelines.rows(FIRST, "SELECT what FROM seen")
    for part in ("total 1.00", '"hello"', '"10"', FIRST, names.schema(FIRST)):
        assert part in str(text)
    code, output = pipelines.run(FIRST, "probe", '{"fail": true}')
    assert code == 1
    assert "the branch is broken" in output
    assert "probe failed" in output
    assert pipelines.run(FIRST, "nosuch")[0] == 2
    pipelines.deploy(FIRST, {}, copies=[])
    with airflow_client.connect(pipelines.host) as client:
        assert [dag.name for dag in dags.list_of(client, FIRST)] == ["orders"], "the probe is gone from the commit"
    assert pipelines.rows(FIRST, "SELECT count(*) FROM seen") == [(2,)], "what the branch created stays"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        pipelines.rows(FIRST, "DELETE FROM daily_totals")


def test_environment_without_any_record_of_ours_is_found_and_removed(pipelines: PipelineMachine) -> None:
    """L2: after the loss of Eph's own folder, and of the files in Airflow's."""
    pipelines.deploy(FIRST, {})
    files.remove(pipelines.host.env(FIRST))
    for path in [*pipelines.host.pages.iterdir(), *pipelines.host.routes.iterdir()]:
        path.unlink()
    assert TARGET.live_resources(pipelines.strings) == {"Pipeline": frozenset()}
    files.remove(Path(pipelines.host.dags_folder) / names.FOLDER / "eph-c0ffee" / FIRST)
    assert TARGET.list_environments(pipelines.strings) == {FIRST}
    TARGET.purge(FIRST, pipelines.strings)
    assert TARGET.list_environments(pipelines.strings) == frozenset()
    assert wait_until_nothing_is_left(pipelines, FIRST) == []
