"""A schema and a role per environment, in the database that has the shared tables.

The role's search path is its schema, so a query that says ``orders`` reads the environment's view or copy. It has no
rights on the shared tables: views run with their owner's, and the role may only read them. The comment of the role and
of the schema names the environment, so both are found without any state.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg

from programs.kit.database import postgres
from programs.kit.errors import TargetError
from programs.targets.pipeline import names, wording
from programs.targets.pipeline.data import postgresql_tables
from programs.targets.pipeline.data.port import DataConnection, TableCopy
from programs.targets.pipeline.settings import PipelineHost

Session = psycopg.Connection[Any]

MAX_CONNECTIONS = 50
_OWNED = """
SELECT obj.name, left(obj.note, 1000) FROM (
  SELECT rolname AS name, shobj_description(oid, 'pg_authid') AS note FROM pg_roles
  UNION ALL SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace
) AS obj WHERE obj.name LIKE 'eph\\_%'
"""


@dataclass(frozen=True, slots=True)
class PostgresEngine:
    host: PipelineHost

    def bind(self, environment: str, copies: Sequence[TableCopy], previous_url: str) -> DataConnection:
        schema = names.schema(environment)
        with self._session() as session, session.transaction():
            timeout = str(self.host.data_seconds * 1000)
            session.execute("SELECT set_config('statement_timeout', %s, true)", [timeout])
            password = self._ensure_role(session, environment, schema, _password(previous_url, schema))
            self._ensure_schema(session, environment, schema)
            found = postgresql_tables.bind(session, self.host, schema, copies)
            _check_isolation(session, self.host, schema)
            sslmode = postgres.client_sslmode(self.host, session)
            database = session.info.dbname
        host, port = self.host.data_address_of(*postgres.address(self.host))
        url = f"postgresql://{schema}:{quote(password, safe='')}@{host}:{port}/{quote(database)}?sslmode={sslmode}"
        extra = json.dumps({"sslmode": sslmode})
        return DataConnection(
            "postgres", host, port, schema, password, database, schema, url, extra, found.views, found.copies
        )

    def remove(self, environment: str) -> None:
        schema = names.schema(environment)
        with self._session() as session:
            if schema not in self._owned(session):
                return
            role = session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [schema]).fetchone()
            if role:
                postgres.execute(session, "ALTER ROLE {} NOLOGIN", schema)
                session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [schema])
            postgres.execute(session, "DROP SCHEMA IF EXISTS {} CASCADE", schema)
            if role:
                postgres.execute(session, "DROP OWNED BY {} CASCADE", schema)
                postgres.execute(session, "DROP ROLE {}", schema)

    def list_names(self) -> frozenset[str]:
        with self._session() as session:
            return frozenset(self._owned(session).values())

    def _owned(self, session: Session) -> dict[str, str]:
        """The environment of each schema and role of this Eph."""
        rows = session.execute(_OWNED).fetchall()
        return {name: found for name, note in rows if (found := names.parse_note(note, self.host.server))}

    def _ensure_role(self, session: Session, environment: str, role: str, password: str) -> str:
        """Keeps the password that DAGs use already. Returns it, or a new one."""
        exists = session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if not exists:
            options = f"LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT {MAX_CONNECTIONS}"
            postgres.execute(session, f"CREATE ROLE {{}} {options}", role)
            note = names.note(environment, self.host.server)
            postgres.execute(session, "COMMENT ON ROLE {} IS {note}", role, note=note)
            # An administrator that isn't a superuser must be a member of a role to give it a table.
            postgres.execute(session, "GRANT {} TO CURRENT_USER", role)
        elif role not in self._owned(session):
            raise TargetError(wording.not_ours("role", role))
        chosen = password or secrets.token_urlsafe(24)
        postgres.execute(session, "ALTER ROLE {} LOGIN PASSWORD {password}", role, password=chosen)
        return chosen

    def _ensure_schema(self, session: Session, environment: str, schema: str) -> None:
        postgres.execute(session, "CREATE SCHEMA IF NOT EXISTS {}", schema)
        note = names.note(environment, self.host.server)
        postgres.execute(session, "COMMENT ON SCHEMA {} IS {note}", schema, note=note)
        postgres.execute(session, "GRANT USAGE, CREATE ON SCHEMA {} TO {}", schema, schema)
        database = session.info.dbname
        postgres.execute(session, "GRANT CONNECT ON DATABASE {} TO {}", database, schema)
        postgres.execute(session, "ALTER ROLE {} IN DATABASE {} SET search_path = {}", schema, database, schema)

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with postgres.connect(self.host) as session:
                yield session
        except psycopg.errors.QueryCanceled:
            raise TargetError(wording.data_too_slow(self.host.data_seconds)) from None
        except psycopg.Error as error:
            raise TargetError(wording.data_failed(error)) from None


def _password(url: str, role: str) -> str:
    """That of an earlier URL of the same role."""
    parts = urlsplit(url)
    return unquote(parts.password or "") if unquote(parts.username or "") == role else ""


def _check_isolation(session: Session, host: PipelineHost, role: str) -> None:
    """Rights that everyone has would let a branch change the shared tables."""
    shared = host.schema_of_shared
    row = session.execute("SELECT has_schema_privilege(%s, %s, 'CREATE')", [role, shared]).fetchone()
    if row and row[0]:
        raise TargetError(wording.schema_is_open(shared))
    writable = session.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'f') "
        "AND has_table_privilege(%s, oid, 'INSERT, UPDATE, DELETE, TRUNCATE') ORDER BY relname LIMIT 1",
        [host.quoted_schema, role],
    ).fetchone()
    if writable:
        raise TargetError(wording.table_is_open(f"{shared}.{writable[0]}"))
