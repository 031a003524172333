"""One database and one role per database of an environment. The role can access that database only.

The role carries a comment that names its environment, so both can be found without any state. It owns the database,
so it can write the database's comment, but not its own: only that one is trusted. The password is generated here,
passed to Pulumi as a secret, and never read back: a role that is recreated gets a new one. Each operation can be
repeated.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql

from programs.kit.database import cloning, postgres, server_errors, session_notices
from programs.kit.database.server_errors import retried
from programs.kit.host_settings import HostSettings
from programs.kit.identifiers import server_id

MAX_CONNECTIONS = 50
MAX_NOTE = 1000
"""In characters; a comment that is longer isn't ours."""
COUNTS_SESSIONS = 140_000
"""The first version of PostgreSQL that does."""
SEEDING, SEEDED = "seeding", "seeded"


@dataclass(frozen=True, slots=True)
class OwnedObject:
    """A database or role that Eph created, and its environment."""

    kind: str
    name: str
    environment: str
    seed_state: str = ""


@dataclass(frozen=True, slots=True)
class _Note:
    """A comment that Eph wrote."""

    environment: str
    seed_state: str


@retried
def create(settings: HostSettings, environment: str, name: str, source: str = "") -> str:
    """Creates the database and returns its URL, after dropping what an interrupted attempt left. ``source`` is the
    server's database to clone."""
    postgres.ensure(settings)
    password = secrets.token_urlsafe(24)
    with _session(settings) as session:
        _drop(settings, session, name)
        with session.transaction():
            postgres.execute(
                session,
                "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION "
                f"CONNECTION LIMIT {MAX_CONNECTIONS} PASSWORD {{password}}",
                name,
                password=password,
            )
            _comment(session, OwnedObject("ROLE", name, environment), settings)
            # A non-superuser administrator must be a member of a role to make it the owner of a database.
            session.execute(_grant_membership(name))
        _create_database(session, name, source)
        if source:
            cloning.reassign_ownership(settings, name)
        sslmode = postgres.client_sslmode(settings, session)
    host, port = postgres.address(settings)
    return f"postgresql://{name}:{password}@{host}:{port}/{name}?sslmode={sslmode}"


def _grant_membership(name: str) -> Any:
    return sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name))


def _create_database(session: psycopg.Connection[Any], name: str, source: str = "") -> None:
    if source:
        cloning.clone(session, name, source)
    else:
        # template0 accepts no sessions, so several environments can be cloned from it at once.
        postgres.execute(session, "CREATE DATABASE {} OWNER {} TEMPLATE template0", name, name)
    postgres.execute(session, "REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", name)


def _comment(session: psycopg.Connection[Any], role: OwnedObject, settings: HostSettings) -> None:
    note = {"eph": server_id(str(settings.root)), "environment": role.environment, "state": role.seed_state}
    postgres.execute(session, "COMMENT ON ROLE {} IS {note}", role.name, note=json.dumps(note))


def seed_state(settings: HostSettings, name: str) -> str:
    """How far seeding got: empty, ``seeding`` or ``seeded``."""
    return next((item.seed_state for item in list_owned(settings) if item.kind == "DATABASE" and item.name == name), "")


@retried
def set_seed_state(settings: HostSettings, environment: str, name: str, new_state: str) -> None:
    with _session(settings) as session:
        _comment(session, OwnedObject("ROLE", name, environment, new_state), settings)


@retried
def recreate(settings: HostSettings, environment: str, name: str) -> None:
    """Recreates the database because its seed was interrupted."""
    with _session(settings) as session:
        _drop_database(session, name)
        _create_database(session, name)
        _comment(session, OwnedObject("ROLE", name, environment), settings)


@retried
def allow_connections(settings: HostSettings, name: str) -> None:
    """Of a role that may have been suspended, if it still exists."""
    with _session(settings) as session, contextlib.suppress(errors.UndefinedObject):
        postgres.execute(session, f"ALTER ROLE {{}} CONNECTION LIMIT {MAX_CONNECTIONS}", name)


@retried
def drop(settings: HostSettings, names: list[str]) -> None:
    if names and postgres.exists(settings):
        postgres.ensure(settings)
        with _session(settings) as session:
            for name in names:
                _drop(settings, session, name)


def _drop(settings: HostSettings, session: psycopg.Connection[Any], name: str) -> None:
    _drop_database(session, name)
    postgres.execute(session, "DROP ROLE IF EXISTS {}", name)
    session_notices.remove(settings, name)


def _drop_database(session: psycopg.Connection[Any], name: str) -> None:
    """PostgreSQL drops no template, and the environment, as the owner, can declare its database as one."""
    templates = "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate"
    if session.execute(templates, [name]).fetchone():
        postgres.execute(session, "ALTER DATABASE {} IS_TEMPLATE false", name)
    postgres.execute(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@retried
def list_owned(settings: HostSettings) -> list[OwnedObject]:
    """Every database and role of this server's environments, found by the comments of the roles."""
    if not postgres.exists(settings):
        return []
    with _session(settings) as session:
        rows = session.execute(_OWNED).fetchall()
    return list(_parse_owned(rows, server_id(str(settings.root))))


def sizes(settings: HostSettings) -> dict[str, int]:
    """The bytes of each environment's databases."""
    owners = {item.name: item.environment for item in list_owned(settings) if item.kind == "DATABASE"}
    found: dict[str, int] = {}
    for name, size in _sizes(settings, owners).items():
        found[owners[name]] = found.get(owners[name], 0) + size
    return found


def database_sizes(settings: HostSettings) -> dict[str, int]:
    """The bytes of each database of an environment."""
    return _sizes(settings, {item.name for item in list_owned(settings) if item.kind == "DATABASE"})


@retried
def _sizes(settings: HostSettings, names: Collection[str]) -> dict[str, int]:
    if not names:
        return {}
    with _session(settings) as session:
        rows = session.execute(
            "SELECT datname, pg_database_size(oid) FROM pg_database WHERE datname = ANY(%s)", [[*names]]
        ).fetchall()
    return {str(name): int(size) for name, size in rows}


@retried
def session_counts(settings: HostSettings, names: Sequence[str]) -> dict[str, int]:
    """How many sessions were ever opened to each database. PostgreSQL counts them from version 14 on."""
    with _session(settings) as session:
        if session.info.server_version < COUNTS_SESSIONS:
            return {}
        rows = session.execute(
            "SELECT datname, sessions FROM pg_stat_database WHERE datname = ANY(%s)", [[*names]]
        ).fetchall()
    return {name: int(count) for name, count in rows}


_OWNED = f"""
SELECT 'ROLE', rolname, left(shobj_description(oid, 'pg_authid'), {MAX_NOTE}), NULL
  FROM pg_roles WHERE rolname LIKE 'eph\\_%'
UNION ALL
SELECT 'DATABASE', datname, left(shobj_description(datdba, 'pg_authid'), {MAX_NOTE}),
       left(shobj_description(oid, 'pg_database'), {MAX_NOTE})
  FROM pg_database WHERE datname LIKE 'eph\\_%'
"""  # noqa: S608 - made of constants


def _parse_owned(rows: list[tuple[str, str, str | None, str | None]], owner_id: str) -> Iterator[OwnedObject]:
    for kind, name, of_role, of_database in rows:
        role, older = _parse_note(of_role, owner_id), _parse_note(of_database, owner_id)
        # Earlier versions kept the seed's state in the comment of the database. Its owner may have changed that one,
        # which affects nothing but the seed of this database.
        note = role or older
        if note:
            yield OwnedObject(kind, name, note.environment, note.seed_state or (older.seed_state if older else ""))


def _parse_note(note: str | None, owner_id: str) -> _Note | None:
    try:
        data = json.loads(note or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.get("eph") != owner_id:
        return None
    return _Note(str(data.get("environment", "")), str(data.get("state", "")))


@contextlib.contextmanager
def _session(settings: HostSettings) -> Iterator[psycopg.Connection[Any]]:
    """An administrator's session that translates PostgreSQL's errors into ours."""
    try:
        with postgres.connect(settings) as session:
            yield session
    except psycopg.Error as error:
        raise server_errors.translate(error) from None
