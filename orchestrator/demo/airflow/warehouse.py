"""The warehouse: a PostgreSQL server with the shared tables of a shop, which all environments read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from programs.kit import files, host_settings
from programs.kit.database import postgres
from programs.kit.host_settings import HostSettings
from programs.kit.processes import supervisor

DATABASE = "warehouse"
TABLES = """
CREATE TABLE orders (id integer PRIMARY KEY, day date NOT NULL, product text NOT NULL, cents integer NOT NULL);
INSERT INTO orders VALUES (1, '2026-11-01', 'Apples', 300), (2, '2026-11-01', 'Bread', 250),
  (3, '2026-11-02', 'Apples', 400), (4, '2026-11-02', 'Tea', 900);
CREATE TABLE daily_totals (id serial PRIMARY KEY, day date NOT NULL, cents integer NOT NULL);
INSERT INTO daily_totals (day, cents) VALUES ('2026-10-31', 100), ('2026-11-01', 550);
"""


@dataclass(frozen=True, slots=True)
class Warehouse:
    url: str = field(repr=False)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as session:
            return session.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute(statement.encode())

    def leftovers(self) -> list[str]:
        """Schemas, roles and sessions that environments left behind."""
        schemas = self.query("SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'eph\\_%'")
        roles = self.query("SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'eph\\_%'")
        return sorted(str(row[0]) for row in [*schemas, *roles])

    def shared_rows(self) -> dict[str, list[tuple[object, ...]]]:
        """What no environment may change."""
        return {table: self.query(f"SELECT * FROM {table} ORDER BY id") for table in ("orders", "daily_totals")}  # noqa: S608 - our own names


@contextlib.contextmanager
def running(root: Path) -> Iterator[Warehouse]:
    """The sandbox mode none makes the server listen on this machine's loopback, where Airflow's workers are."""
    host = HostSettings(root, sandbox="none")
    files.make_folder(root)
    host_settings.save(host)
    supervisor.ensure(host)
    try:
        postgres.ensure(host)
        with postgres.connect(host) as session:
            postgres.execute(session, "CREATE DATABASE {}", DATABASE)
        password = quote((root / "postgres" / "password").read_text(), safe="")
        address, port = postgres.address(host)
        warehouse = Warehouse(f"postgresql://{postgres.ADMIN}:{password}@{address}:{port}/{DATABASE}?sslmode=disable")
        warehouse.execute(TABLES)
        yield warehouse
    finally:
        supervisor.stop(host)
