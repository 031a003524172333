"""Clones a prepared database by copying the server's files, so a gigabyte takes seconds.

Objects in a prepared database belong to the role that created them. Ownership of the copy is transferred object by
object before its password is known to anyone: `REASSIGN OWNED` would also transfer the prepared database itself, and
refuses objects of the server's bootstrap superuser. Clones on one server run one at a time, because parallel copies
only compete for the disk (crossplane's provider-sql #358).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import errors

from programs.kit.database import postgres, wording
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings

QUEUE_LOCK_ID = 0x657068  # "eph"
QUEUE_TIMEOUT = 900
FILE_COPY_SINCE = 150000

_NOT_OF_AN_EXTENSION = "NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = {oid} AND e.deptype = 'e')"
_OWN_SCHEMA = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
# A sequence owned by a column and the composite type of a table follow their table and can't be altered directly.
_OBJECTS = f"""
SELECT format('ALTER SCHEMA %I OWNER TO ', n.nspname) FROM pg_namespace n
 WHERE {_OWN_SCHEMA} AND {_NOT_OF_AN_EXTENSION.format(oid="n.oid")}
UNION ALL
SELECT format('ALTER %s %I.%I OWNER TO ', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
              WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f') AND {_OWN_SCHEMA} AND {_NOT_OF_AN_EXTENSION.format(oid="c.oid")}
   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO ', p.oid::regprocedure) FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {_OWN_SCHEMA} AND {_NOT_OF_AN_EXTENSION.format(oid="p.oid")}
UNION ALL
SELECT format('ALTER TYPE %I.%I OWNER TO ', n.nspname, t.typname) FROM pg_type t
  JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')) AND {_OWN_SCHEMA}
   AND {_NOT_OF_AN_EXTENSION.format(oid="t.oid")}
"""  # noqa: S608 - made of constants


@contextlib.contextmanager
def clone_queue(session: psycopg.Connection[Any]) -> Iterator[None]:
    """Allows one clone at a time on this server. The server releases the lock if its holder dies."""
    session.execute(f"SET lock_timeout = '{QUEUE_TIMEOUT}s'")
    try:
        session.execute("SELECT pg_advisory_lock(%s)", (QUEUE_LOCK_ID,))
    except errors.LockNotAvailable:
        raise TargetError(wording.clone_queue_timeout(QUEUE_TIMEOUT)) from None
    session.execute("RESET lock_timeout")
    try:
        yield
    finally:
        session.execute("SELECT pg_advisory_unlock(%s)", (QUEUE_LOCK_ID,))


def clone(session: psycopg.Connection[Any], name: str, source: str) -> None:
    """Creates the database ``name``, owned by the role of that name, from the files of ``source``, which must have no
    connections."""
    how = "STRATEGY FILE_COPY" if session.info.server_version >= FILE_COPY_SINCE else ""
    with clone_queue(session):
        try:
            postgres.execute(session, f"CREATE DATABASE {{}} OWNER {{}} TEMPLATE {{}} {how}", name, name, source)
        except errors.ObjectInUse:
            raise TargetError(wording.prepared_database_in_use(source)) from None
        except errors.InvalidCatalogName:
            raise TargetError(wording.no_prepared_database(source)) from None


def reassign_ownership(settings: HostSettings, name: str) -> None:
    """Makes the role ``name`` the owner of everything in the database ``name``."""
    with postgres.connect(settings, name) as session, session.transaction():
        for (statement,) in session.execute(_OBJECTS).fetchall():
            postgres.execute(session, f"{statement.replace('{', '{{').replace('}', '}}')}{{}}", name)
