"""The settings of the target, as its modules use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from programs.kit import host_settings
from programs.kit.host_settings import HostSettings

POSTGRESQL, DUCKDB = "postgresql", "duckdb"
DEFAULT_SCHEMAS = {POSTGRESQL: "public", DUCKDB: "main"}
_TEXTS = (
    "server",
    "airflow_url",
    "airflow_web_url",
    "airflow_user",
    "airflow_password",
    "airflow_token",
    "dags_folder",
    "logs_folder",
    "engine",
    "data_address",
    "shared_file",
    "data_folder",
    "shared_schema",
    "url",
)
_NUMBERS = ("copy_rows", "data_seconds", "parse_seconds")


@dataclass(frozen=True, slots=True)
class PipelineHost(HostSettings):
    """``server`` identifies this Eph on what it shares with others. ``postgres`` is the URL of the database with the
    shared tables, ``shared_file`` the one of DuckDB, with the environments' files in ``data_folder``. ``url``: the URL
    of an environment."""

    postgres: str = field(default="", repr=False)
    server: str = ""
    airflow_url: str = ""
    airflow_web_url: str = ""
    airflow_user: str = ""
    airflow_password: str = field(default="", repr=False)
    airflow_token: str = field(default="", repr=False)
    dags_folder: str = ""
    logs_folder: str = ""
    engine: str = POSTGRESQL
    data_address: str = ""
    shared_file: str = ""
    data_folder: str = ""
    shared_schema: str = ""
    shared_tables: tuple[str, ...] = ("*",)
    copy_rows: int = 1_000_000
    data_seconds: int = 300
    parse_seconds: int = 300
    url: str = "http://{host}:8080"

    @property
    def pages(self) -> Path:
        """One file per host name, which the address server reads."""
        return self.root / "pages"

    @property
    def is_configured(self) -> bool:
        return bool(self.airflow_url and self.dags_folder)

    @property
    def has_data(self) -> bool:
        return bool(self.shared_file and self.data_folder) if self.engine == DUCKDB else bool(self.postgres)

    @property
    def schema_of_shared(self) -> str:
        return self.shared_schema or DEFAULT_SCHEMAS[self.engine]

    @property
    def web_url(self) -> str:
        return (self.airflow_web_url or self.airflow_url).rstrip("/")

    @property
    def quoted_schema(self) -> str:
        """As an identifier of PostgreSQL's."""
        escaped = self.schema_of_shared.replace('"', '""')
        return f'"{escaped}"'

    def data_address_of(self, host: str, port: int) -> tuple[str, int]:
        """Where Airflow's workers reach the database, if that isn't where Eph does."""
        if not self.data_address:
            return host, port
        name, _, number = self.data_address.rpartition(":")
        return (name, int(number)) if name and number.isdigit() else (self.data_address, port)


def from_mapping(data: Mapping[str, str]) -> PipelineHost:
    common = PipelineHost.read(data)
    values: dict[str, Any] = {name: data.get(name) or getattr(common, name) for name in _TEXTS}
    values |= {name: int(data.get(name) or getattr(common, name)) for name in _NUMBERS}
    tables = tuple(item for item in data.get("shared_tables", "").split(",") if item) or common.shared_tables
    return replace(common, **values, shared_tables=tables, postgres=data.get("data_url") or common.postgres)


def load(root: str) -> PipelineHost:
    """The settings of the last ``ensure`` of this root."""
    return from_mapping(host_settings.read_saved(root))
