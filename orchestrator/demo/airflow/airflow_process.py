"""Airflow in a folder, for the demo and for tests: scheduler, workers and API on this machine, metadata in SQLite.

It takes 1.5 GB of memory and most of a minute to start. Its processes outlive a SIGTERM to the first one, so all that
have its folder in their variables are killed at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from orchestrator.demo import process_start
from orchestrator.demo.airflow import wording
from orchestrator.demo.free_ports import free_port
from programs.kit import files
from programs.kit.processes import process_table

START_SECONDS = 240.0
POLL_SECONDS = 0.5
PARTS = ("scheduler", "dag_processor", "metadatabase")
PYTHON_VARIABLE = "EPH_TEST_AIRFLOW_PYTHON"
"""Names the interpreter of an installed Airflow; `infra/toolchain/airflow.sh` prints it."""


class AirflowUnavailable(Exception):
    """Airflow isn't installed or doesn't start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunningAirflow:
    home: Path
    url: str
    user: str
    password: str = field(repr=False)

    @property
    def dags_folder(self) -> Path:
        return self.home / "dags"

    @property
    def logs_folder(self) -> Path:
        return self.home / "logs"

    def settings(self) -> dict[str, Any]:
        """For the table of the target."""
        return {
            "airflow_url": self.url,
            "airflow_user": self.user,
            "airflow_password": self.password,
            "dags_folder": self.dags_folder,
            "logs_folder": self.logs_folder,
        }

    def count_rows(self, text: str) -> dict[str, int]:
        """By table: the rows of Airflow's database that contain ``text``. Its log of requests isn't counted, because
        Airflow keeps it."""
        found = {}
        with contextlib.closing(sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - a name from its own list
                count = sum(any(text in str(value) for value in row) for row in rows)
                if count and table != "log":
                    found[table] = count
        return found


def find_python() -> str:
    """Raises ``AirflowUnavailable``."""
    python = os.environ.get(PYTHON_VARIABLE, "")
    if not python or not Path(python).exists():
        raise AirflowUnavailable(wording.NO_AIRFLOW)
    return python


@contextlib.contextmanager
def running(python: str, home: Path) -> Iterator[RunningAirflow]:
    home.mkdir(mode=0o700, parents=True)
    airflow = RunningAirflow(home, f"http://127.0.0.1:{free_port()}", "eph", secrets.token_urlsafe(12))
    for folder in (airflow.dags_folder, airflow.logs_folder, home / "tmp"):
        folder.mkdir()
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({airflow.user: airflow.password}))
    env = _environment(airflow, python, passwords)
    with (home / "airflow.log").open("wb") as log:
        command = [str(Path(python).parent / "airflow"), "standalone"]
        process = subprocess.Popen(
            command, env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_until_healthy(process, airflow)
        yield airflow
    finally:
        while left := process_table.mentioning(str(home)):
            process_table.kill(left)
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _environment(airflow: RunningAirflow, python: str, passwords: Path) -> dict[str, str]:
    """Quick to notice changes, and small."""
    port = airflow.url.rpartition(":")[2]
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"{airflow.url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{airflow.user}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "CORE__PARALLELISM": "2",
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": airflow.url,
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "CORE__FERNET_KEY": _fernet_key(),
        "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "DAG_PROCESSOR__REFRESH_INTERVAL": "2",
        "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    }
    return {
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "AIRFLOW_HOME": str(airflow.home),
        "HOME": str(airflow.home),
        "TMPDIR": str(airflow.home / "tmp"),
        "PATH": os.pathsep.join([str(Path(python).parent), os.defpath]),
        "NO_PROXY": "*",
    }


def _fernet_key() -> str:
    import base64

    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _wait_until_healthy(process: subprocess.Popen[bytes], airflow: RunningAirflow) -> None:
    if not process_start.wait_until_ready(process, lambda: _is_healthy(airflow), START_SECONDS, POLL_SECONDS):
        tail = files.tail(airflow.home / "airflow.log", 20)
        raise AirflowUnavailable(wording.airflow_failed("\n".join(tail)))


def _is_healthy(airflow: RunningAirflow) -> bool:
    try:
        found = httpx.get(f"{airflow.url}/api/v2/monitor/health", timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return all((found.get(part) or {}).get("status") == "healthy" for part in PARTS)
