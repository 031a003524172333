"""One database and one role for each database of an environment: the role sees that one alone.

Both carry a comment that says whose they are, so that they can be found without any state. The password is made
here, given to Pulumi as a secret, and never read back: a role that is made again gets a new one.
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
    """A database or a role of ours, and the environment it belongs to."""

    kind: str
    name: str
    environment: str
    seed_state: str = ""


def create(settings: HostSettings, environment: str, name: str, source: str = "") -> str:
    """Makes the database and gives its URL; what an interrupted earlier try left goes first. ``source``: a database of
    the server that it is cloned from."""
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
            # Giving a database to a role needs membership in it, for an administrator who is no superuser.
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
    """How far filling it got: nothing, ``seeding`` or ``seeded``."""
    return next((item.seed_state for item in list_owned(settings) if item.kind == "DATABASE" and item.name == name), "")


def set_seed_state(settings: HostSettings, environment: str, name: str, new_state: str) -> None:
    with _session(settings) as session:
        _comment(session, OwnedObject("DATABASE", name, environment, new_state), settings)


def recreate(settings: HostSettings, environment: str, name: str) -> None:
    """Makes the database anew, for a seed that was interrupted half-way."""
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
    """Every database and role of this server's environments, by their comments and by their owners."""
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
    """A session of the administrator whose errors are ours."""
    import psycopg

    try:
        with postgres.connect(settings) as session:
            yield session
    except psycopg.Error as error:
        raise TargetError(f"PostgreSQL failed or cannot be reached: {error}".strip()) from None
