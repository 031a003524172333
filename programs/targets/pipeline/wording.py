"""Every sentence that the target has for people."""

from __future__ import annotations

from collections.abc import Sequence

# --- The section in eph.yaml

AIRFLOW_NAME = "a name in Airflow"
TABLE_NAME = "the name of a table or column"
USE_PLAIN_NAME = "use letters, digits and underscores"
SELECTION_WITHOUT_COLUMN = "rows are selected without a column"
ADD_COLUMN = "add column"
COLUMN_WITHOUT_SELECTION = "a column without a selection"
ADD_SELECTION = "add values, start or end"
NEEDS_FOLDER = "the target `pipeline` needs a folder of DAGs"
ADD_FOLDER = "add pipeline.folder"
RUNS_NO_SERVICES = "the target `pipeline` runs no services"
REMOVE_SERVICES = "remove them or use another target"
RUNS_NO_BUILD = "the target `pipeline` runs no build"
COMMIT_DAGS = "commit the DAG files as Airflow should load them"
RUNS_NO_COMMANDS = "the target `pipeline` runs no commands"
NAME_DAGS = "name DAGs in pipeline.run"
HAS_NO_DATABASES = "the target `pipeline` doesn't create databases"
NAME_CONNECTIONS = "name connections in pipeline.connections"
PASSES_NO_SECRETS = "the target `pipeline` passes no secrets to DAGs"
USE_CONNECTION = "use a connection in Airflow"
RUNS_NO_HOOKS = "the target `pipeline` runs no hooks; use a DAG"

# --- Airflow, the DAGs and their data

NOT_CONFIGURED = (
    "This server has no Airflow. Set pipeline.airflow_url and pipeline.dags_folder in eph.toml, and how Eph signs in."
)
NO_DATA = (
    "pipeline.connections in eph.yaml needs shared data, but this server has none (pipeline.data_url in eph.toml, "
    "or pipeline.shared_file and pipeline.data_folder)."
)
COPIES_WITHOUT_CONNECTION = "pipeline.copies in eph.yaml has no effect without pipeline.connections. Name a connection."
NO_LOG = "DAGs have no processes, so there is no log of a previous one. Omit --previous."
MAX_LISTED = 20


def airflow_unreachable(url: str, error: object) -> str:
    return f"Airflow doesn't respond at {url} (pipeline.airflow_url): {error}"


def sign_in_failed(url: str, status: int) -> str:
    return (
        f"Airflow at {url} refused Eph's sign-in with HTTP {status}. "
        "Check pipeline.airflow_user and pipeline.airflow_password."
    )


def airflow_refused(method: str, path: str, status: int, detail: str) -> str:
    return f"Airflow refused {method} /api/v2/{path} with HTTP {status}: {detail}"


def import_failed(first: str) -> str:
    return f"Airflow can't import the DAGs. {first}"


def not_parsed(seconds: int, wrapper: str) -> str:
    return (
        f"Airflow hasn't parsed {wrapper} within {seconds} s. Check that pipeline.dags_folder is Airflow's DAG folder, "
        "and lower its setting dag_processor.refresh_interval."
    )


def not_deleted(dags: Sequence[str]) -> str:
    return f"Airflow still has these DAGs: {_listed(dags)}. Their tasks haven't ended."


def unknown_dag(dag: str, environment: str, known: Sequence[str]) -> str:
    return f"{environment} has no DAG {dag!r}. Its DAGs: {_listed(known)}."


def no_folder(folder: str) -> str:
    return f"There is no folder {folder} in the repository at this commit. Change pipeline.folder in eph.yaml."


def dags_folder_missing(folder: object) -> str:
    return f"Airflow's DAG folder {folder} doesn't exist on this machine. Mount it, or change pipeline.dags_folder."


def unknown_table(table: str, known: Sequence[str]) -> str:
    return f"There is no shared table {table!r} (pipeline.copies in eph.yaml). Shared tables: {_listed(known)}."


def unknown_column(table: str, column: str, known: Sequence[str]) -> str:
    return f"The table {table!r} has no column {column!r} (pipeline.copies in eph.yaml). Its columns: {_listed(known)}."


def too_many_rows(table: str, limit: int) -> str:
    return (
        f"The copy of {table!r} would have more than {limit:,} rows, which this server doesn't allow. "
        "Select rows by a column in pipeline.copies."
    )


def data_too_slow(seconds: int) -> str:
    return f"Creating the views and copies took longer than {seconds} s (pipeline.data_seconds). Copy fewer rows."


def data_failed(error: object) -> str:
    return f"The database with the shared tables failed or can't be reached: {str(error).strip()}"


NO_DUCKDB = (
    "pipeline.engine is duckdb, but this server lacks the package. Install it into Eph's environment: "
    "pip install duckdb."
)


def duckdb_failed(error: object) -> str:
    return f"DuckDB failed: {str(error).strip()}"


def data_folder_missing(folder: object) -> str:
    return f"The folder {folder} doesn't exist on this machine (pipeline.data_folder in eph.toml). Mount or create it."


def not_ours(kind: str, name: str) -> str:
    return f"The {kind} {name} exists in the database, and Eph didn't create it. Rename or remove it."


def schema_is_open(schema: str) -> str:
    return (
        f"Everyone may create tables in the schema {schema}, so environments wouldn't be isolated. "
        f"Run `REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC`."
    )


def table_is_open(table: str) -> str:
    return (
        f"Everyone may change the shared table {table}, so environments wouldn't be isolated. "
        f"Run `REVOKE ALL ON {table} FROM PUBLIC`."
    )


def data_summary(views: int, copies: int, place: str) -> str:
    return f"{views} views and {copies} copies in {place}"


def parsed(dags: Sequence[str]) -> str:
    return f"{len(dags)} {'DAG' if len(dags) == 1 else 'DAGs'}: {_listed(dags)}"


def run_started(dag: str, url: str) -> str:
    return f"Started {dag}: {url}"


def run_ended(dag: str, state: str, seconds: float) -> str:
    word = {"success": "succeeded", "failed": "failed"}.get(state, state)
    return f"{dag} {word} after {seconds:.1f} s"


def task_failed(task: str) -> str:
    return f"The last lines of {task}:"


TASK_COLUMNS = ("TASK", "STATE", "SECONDS", "ATTEMPT")
INVALID_PARAMETERS = 'The parameters aren\'t a JSON object. Use for example {"day": "2026-11-01"}.'


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:MAX_LISTED]) or "none"
    return shown if len(items) <= MAX_LISTED else f"{shown} and {len(items) - MAX_LISTED} more"
