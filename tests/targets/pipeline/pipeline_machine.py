"""A machine with a real Airflow and a warehouse, both started once, and repositories with DAGs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestrator.demo.airflow import airflow_process, pipeline_repository, warehouse
from orchestrator.demo.airflow.airflow_process import RunningAirflow
from orchestrator.demo.airflow.warehouse import Warehouse
from programs.kit import files
from programs.targets.pipeline import environments, run_command, settings
from programs.targets.pipeline.environments import DeployedDags
from programs.targets.pipeline.settings import PipelineHost
from programs.targets.pipeline.target import TARGET
from tests.targets.local_machine import Repository, new_repository

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = {
    "folder": "dags",
    "python_path": [],
    "connections": ["warehouse"],
    "copies": [{"table": "daily_totals", "column": "day", "start": "2026-11-01"}],
    "variables": {},
    "schedules": False,
    "external_dags": [],
}


@dataclass
class PipelineMachine:
    folder: Path
    airflow: RunningAirflow
    warehouse: Warehouse
    repository: Repository
    changed: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    sessions: list[psycopg.Connection[tuple[Any, ...]]] = field(default_factory=list)

    @property
    def strings(self) -> dict[str, str]:
        found = {name: str(value) for name, value in self.airflow.settings().items()}
        own = {
            "root": str(self.folder / "root"),
            "routes": str(self.folder / "routes"),
            "server": "eph-c0ffee",
            "url": "http://{host}:8080",
            "data_url": self.warehouse.url,
            "parse_seconds": "90",
        }
        return {**found, **own, **self.changed}

    @property
    def host(self) -> PipelineHost:
        return settings.from_mapping(self.strings)

    def deploy(self, name: str, content: Mapping[str, str], **options: Any) -> DeployedDags:
        """As the provider does, for a new commit with these files in addition to the shop's."""
        files.remove(self.repository.work / "dags")
        commit = self.repository.push({**pipeline_repository.shop_files(), **content, "salt": secrets.token_hex(4)})
        props = {
            "generation": f"{commit[:12]}-aaaaaa",
            "clone_url": str(self.repository.bare),
            "commit": commit,
            "env": {"GREETING": "hello"},
            "options": {**OPTIONS, **options},
            "label": f"pr-{name.rpartition('-')[2]}",
            "owner": "team-data",
            "host": f"{name}.localhost",
            "sign_in": False,
            "allow": [],
        }
        TARGET.ensure(self.strings)
        done = environments.deploy(self.host, name, props, self.urls.get(name, ""))
        self.urls[name] = done.data_url
        return done

    def run(self, name: str, dag: str, parameters: str = "{}") -> tuple[int, str]:
        """The exit status and the output."""
        argv = run_command.command_line(self.host, name, dag, parameters)
        done = subprocess.run(argv, env={"PATH": os.defpath}, cwd="/", capture_output=True, text=True, timeout=180)
        return done.returncode, done.stdout + done.stderr

    def rows(self, name: str, statement: str) -> list[tuple[object, ...]]:
        """As the environment's own role sees them."""
        return Warehouse(self.urls[name]).query(statement)

    def lock_table(self, name: str, table: str) -> None:
        """In a session of the environment's role that stays open until somebody ends it."""
        quoted = '"' + table.replace('"', '""') + '"'
        session = psycopg.connect(self.urls[name])
        session.execute(f"CREATE TABLE {quoted} (x int)".encode())
        session.commit()
        session.execute(f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE".encode())
        self.sessions.append(session)

    def left_of(self, name: str) -> list[str]:
        """Counted from outside: in Airflow's database, in its folders, in the warehouse and on this machine."""
        rows = [f"{table}: {count}" for table, count in self.airflow.count_rows(name).items()]
        found = [str(path) for top in (self.airflow.home, self.folder / "root") for path in top.rglob(f"*{name}*")]
        return [*rows, *found, *(line for line in self.warehouse.leftovers() if name.replace("-", "_") in line)]


def airflow_python() -> str:
    """Skips the test if Airflow isn't installed."""
    command = [str(ROOT / "infra/toolchain/airflow.sh"), "--find"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs Airflow; run `make airflow`")
    return found.stdout.strip()


@contextlib.contextmanager
def pipeline_machine() -> Iterator[PipelineMachine]:
    python = airflow_python()
    folder = Path(tempfile.mkdtemp(prefix="eph-pipeline-"))
    try:
        with (
            warehouse.running(folder / "warehouse") as data,
            airflow_process.running(python, folder / "airflow") as airflow,
        ):
            repository = new_repository(files.make_folder(folder / "repository"))
            machine = PipelineMachine(folder, airflow, data, repository)
            try:
                yield machine
            finally:
                for session in machine.sessions:
                    session.close()
                TARGET.stop(machine.strings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
