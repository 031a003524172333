"""The table ``[pipeline]`` of eph.toml, the section ``pipeline`` of eph.yaml, and the checks of the whole file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, WithJsonSchema, model_validator

from programs.eph_yaml.durations import Duration
from programs.eph_yaml.field_types import EnvValue, RepositoryPath, Section, Text, matches
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.settings import InvalidValue, ServerContext, StringList, TargetSettings
from programs.spec import CommandSpec, SuiteSpec
from programs.targets.pipeline import wording

MEGABYTE = 1024**2
REPORT = "dag-run.xml"
MAX_SUITE_NAME = 30
_AIRFLOW_NAME = r"^[A-Za-z0-9_.-]{1,100}$"
_TABLE = r"^[A-Za-z_][A-Za-z0-9_$]{0,62}$"

AirflowName = Annotated[
    str,
    matches(_AIRFLOW_NAME, wording.AIRFLOW_NAME, wording.USE_PLAIN_NAME),
    WithJsonSchema({"type": "string", "pattern": _AIRFLOW_NAME}),
]
TableName = Annotated[
    str,
    matches(_TABLE, wording.TABLE_NAME, wording.USE_PLAIN_NAME),
    WithJsonSchema({"type": "string", "pattern": _TABLE}),
]


class PipelineTargetSettings(TargetSettings):
    """The target `pipeline`: DAGs on a shared Airflow."""

    airflow_url: str = Field(default="", description="The URL of Airflow's API server, version 3.")
    airflow_web_url: str = Field(default="", description="Where people open Airflow, if that is another URL.")
    airflow_user: str = Field(default="", description="The user with which Eph signs in to Airflow.")
    airflow_password: SecretStr = Field(default=SecretStr(""), description="The password of `airflow_user`.")
    airflow_token: SecretStr = Field(default=SecretStr(""), description="An API token, in place of user and password.")
    dags_folder: Path | None = Field(
        default=None, description="Airflow's DAG folder, as this machine sees it. Airflow must see the same files."
    )
    logs_folder: Path | None = Field(
        default=None, description="Airflow's folder of task logs, if this machine sees it. Eph deletes old logs there."
    )
    engine: Literal["postgresql", "duckdb"] = Field(
        default="postgresql",
        description="What holds the shared tables. duckdb needs the package `duckdb` and files that Airflow's workers "
        "see at the same paths.",
    )
    data_url: SecretStr = Field(
        default=SecretStr(""),
        description="The URL of the PostgreSQL database that contains the shared tables, with a user that may create "
        "roles and schemas.",
    )
    data_address: str = Field(
        default="", description="Where Airflow's workers reach that database, as host:port, if they use another one."
    )
    shared_file: Path | None = Field(default=None, description="For duckdb: the file with the shared tables.")
    data_folder: Path | None = Field(
        default=None, description="For duckdb: the folder in which each environment gets a file."
    )
    shared_schema: str = Field(
        default="", description="The schema of the shared tables. Default: public, and main for duckdb."
    )
    shared_tables: StringList = Field(
        default=("*",), description="The shared tables that environments can read, as globs."
    )
    copy_rows: int = Field(default=1_000_000, ge=1, description="The maximum number of rows that a copy can have.")
    data_seconds: int = Field(
        default=300, ge=1, description="The timeout of each statement that creates views and copies, in seconds."
    )
    parse_seconds: int = Field(
        default=300, ge=5, description="The maximum time until Airflow has parsed an environment's DAGs, in seconds."
    )
    checkout_bytes: int = Field(
        default=512 * MEGABYTE, ge=1024, description="The maximum total size of a commit's files, in bytes."
    )

    def machine_folder(self, server: ServerContext) -> Path | None:
        return server.private_folder


class TableCopyConfig(Section):
    """A table that the branch writes. Short form: its name, which copies all rows."""

    table: TableName = Field(description="The name of the shared table.")
    column: TableName | None = Field(default=None, description="The column that selects the rows to copy.")
    values: tuple[Text, ...] = Field(default=(), description="Copies rows with one of these values in `column`.")
    start: Text | None = Field(default=None, description="Copies rows whose `column` has this value or a greater one.")
    end: Text | None = Field(default=None, description="Copies rows whose `column` has a smaller value.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"table": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_selection(self) -> TableCopyConfig:
        selects = bool(self.values or self.start or self.end)
        if selects and not self.column:
            raise InvalidValue(wording.SELECTION_WITHOUT_COLUMN, wording.ADD_COLUMN)
        if self.column and not selects:
            raise InvalidValue(wording.COLUMN_WITHOUT_SELECTION, wording.ADD_SELECTION)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        mapping = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "minLength": 1}, mapping], "description": mapping["description"]}


class PipelineSection(TargetSection):
    """Airflow DAGs, for the target `pipeline`."""

    folder: RepositoryPath = Field(default="dags", description="The folder of the DAG files.")
    python_path: tuple[RepositoryPath, ...] = Field(
        default=(), max_length=10, description="Folders to import from, in addition to `folder`."
    )
    connections: tuple[AirflowName, ...] = Field(
        default=(), max_length=20, description="Airflow connections of the DAGs that become the environment's data."
    )
    copies: tuple[TableCopyConfig, ...] = Field(
        default=(), max_length=200, description="Tables that the branch writes. All others are read-only views."
    )
    variables: dict[AirflowName, EnvValue] = Field(
        default_factory=dict, description="Airflow variables that have another value in the environment."
    )
    schedules: bool = Field(
        default=False, description="Whether DAGs run on their schedules. Default: only when someone starts them."
    )
    external_dags: tuple[AirflowName, ...] = Field(
        default=(), description="DAGs outside the environment that its sensors wait for."
    )
    run: tuple[AirflowName, ...] = Field(
        default=(), max_length=20, description="DAGs to run for each commit; each is a test result on the pull request."
    )
    run_timeout: Duration = Field(default=timedelta(minutes=30), description="The timeout of such a run.")

    def spec_fields(self, render: Callable[[str], str]) -> dict[str, Any]:
        options = super().spec_fields(render)["options"]
        del options["run"], options["run_timeout"]  # they don't change what is built
        return {"options": options}

    def suites(self) -> tuple[SuiteSpec, ...]:
        timeout = max(1, int(self.run_timeout.total_seconds()))
        return tuple(
            SuiteSpec(_suite_name(dag), CommandSpec(dag, timeout), kind="dag", junit=REPORT, token=False)
            for dag in dict.fromkeys(self.run)
        )


def _suite_name(dag: str) -> str:
    """A name for people that is also one for files. Different DAGs have different ones."""
    name = re.sub(r"[^a-z0-9]+", "-", dag.lower()).strip("-")
    if name == dag and len(name) <= MAX_SUITE_NAME:
        return name
    suffix = "-" + hashlib.sha256(dag.encode()).hexdigest()[:4]
    return (name[: MAX_SUITE_NAME - len(suffix)].strip("-") or "dag") + suffix


def problems(file: EphYamlData) -> Iterator[Finding]:
    if file["pipeline"] is None:
        yield Finding((), wording.NEEDS_FOLDER, wording.ADD_FOLDER)
    if file["services"]:
        yield Finding(("services",), wording.RUNS_NO_SERVICES, wording.REMOVE_SERVICES)
    if file["build"]:
        yield Finding(("build",), wording.RUNS_NO_BUILD, wording.COMMIT_DAGS)
    if file["tests"]:
        yield Finding(("tests",), wording.RUNS_NO_COMMANDS, wording.NAME_DAGS)
    if file["database"]["instances"]:
        yield Finding(("database", "instances"), wording.HAS_NO_DATABASES, wording.NAME_CONNECTIONS)
    if file["environment"]["secrets"]:
        yield Finding(("environment", "secrets"), wording.PASSES_NO_SECRETS, wording.USE_CONNECTION)


def notices(file: EphYamlData) -> Iterator[Finding]:
    if any(file["hooks"].values()):
        yield Finding(("hooks",), wording.RUNS_NO_HOOKS)
