"""One database and one role per database of an environment. The role can access that database only.

Both carry a comment that names their owner, so they can be found without any state. The password is generated here,
passed to Pulumi as a secret, and never read back: a role that is recreated gets a new one.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from programs.kit.database import cloning, postgres
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.identifiers import server_id

if TYPE_CHECKING:
    import psycopg

MAX_CONNECTIONS = 50
SEEDING, SEEDED = "seeding", "seeded"


@dataclass(frozen=True, slots=True)
class OwnedObject:
    """A database or role that Eph created, and its environment."""

    kind: str
    name: str
    environment: str
    seed_state: str = ""


def create(settings: HostSettings, environment: str, name: str, source: str = "") -> str:
    """Creates the database and returns its URL, after dropping what an interrupted attempt left. ``source`` is the
    server's database to clone."""
    postgres.ensure(settings)
    password = secrets.token_urlsafe(24)
    with _session(settings) as session:
        _drop(session, name)
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
        _create_database(session, OwnedObject("DATABASE", name, environment), settings, source)
        if source:
            cloning.reassign_ownership(settings, name)
    host, port = postgres.address(settings)
    return f"postgresql://{name}:{password}@{host}:{port}/{name}"


def _grant_membership(name: str) -> Any:
    from psycopg import sql

    return sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name))


def _create_database(
    session: psycopg.Connection[Any], owned: OwnedObject, settings: HostSettings, source: str = ""
) -> None:
    if source:
        cloning.clone(session, owned.name, source)
    else:
        # template0 accepts no sessions, so several environments can be cloned from it at once.
        postgres.execute(session, "CREATE DATABASE {} OWNER {} TEMPLATE template0", owned.name, owned.name)
    postgres.execute(session, "REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", owned.name)
    _comment(session, owned, settings)


def _comment(session: psycopg.Connection[Any], owned: OwnedObject, settings: HostSettings) -> None:
    note = {"eph": server_id(str(settings.root)), "environment": owned.environment, "state": owned.seed_state}
    postgres.execute(session, f"COMMENT ON {owned.kind} {{}} IS {{note}}", owned.name, note=json.dumps(note))


def seed_state(settings: HostSettings, name: str) -> str:
    """How far seeding got: empty, ``seeding`` or ``seeded``."""
    return next((item.seed_state for item in list_owned(settings) if item.kind == "DATABASE" and item.name == name), "")


def set_seed_state(settings: HostSettings, environment: str, name: str, new_state: str) -> None:
    with _session(settings) as session:
        _comment(session, OwnedObject("DATABASE", name, environment, new_state), settings)


def recreate(settings: HostSettings, environment: str, name: str) -> None:
    """Recreates the database because its seed was interrupted."""
    with _session(settings) as session:
        postgres.execute(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        _create_database(session, OwnedObject("DATABASE", name, environment), settings)


def drop(settings: HostSettings, names: list[str]) -> None:
    if names and postgres.exists(settings):
        postgres.ensure(settings)
        with _session(settings) as session:
            for name in names:
                _drop(session, name)


def _drop(session: psycopg.Connection[Any], name: str) -> None:
    postgres.execute(session, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    postgres.execute(session, "DROP ROLE IF EXISTS {}", name)


def list_owned(settings: HostSettings) -> list[OwnedObject]:
    """Every database and role of this server's environments, found by their comments and owners."""
    if not postgres.exists(settings):
        return []
    with _session(settings) as session:
        rows = session.execute(
            "SELECT 'ROLE', rolname, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE 'eph\\_%' "
            "UNION ALL SELECT 'DATABASE', datname, coalesce(shobj_description(d.oid, 'pg_database'), "
            "shobj_description(datdba, 'pg_authid')) FROM pg_database d WHERE datname LIKE 'eph\\_%'"
        ).fetchall()
    return list(_parse_owned(rows, server_id(str(settings.root))))


def _parse_owned(rows: list[tuple[str, str, str | None]], owner_id: str) -> Iterator[OwnedObject]:
    for kind, name, note in rows:
        try:
            data = json.loads(note or "")
        except ValueError:
            continue
        if isinstance(data, dict) and data.get("eph") == owner_id:
            yield OwnedObject(kind, name, str(data.get("environment", "")), str(data.get("state", "")))


@contextlib.contextmanager
def _session(settings: HostSettings) -> Iterator[psycopg.Connection[Any]]:
    """An administrator's session that translates PostgreSQL's errors into ours."""
    import psycopg

    try:
        with postgres.connect(settings) as session:
            yield session
    except psycopg.Error as error:
        raise TargetError(f"PostgreSQL failed or can't be reached: {error}".strip()) from None
