"""A database made from a prepared one: the files of the server are copied, so a gigabyte takes seconds.

What is in a prepared database belongs to whoever prepared it. The copy is handed over object by object before anybody
knows its password: `REASSIGN OWNED` would hand over the prepared database itself, too, and refuses what the server's
first administrator made. Clones of one server stand in a queue, because copies side by side only wait for the disk
(crossplane's provider-sql #358).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from programs.kit.database import postgres
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings

if TYPE_CHECKING:
    import psycopg

QUEUE_LOCK_ID = 0x657068  # "eph"
QUEUE_TIMEOUT = 900
FILE_COPY_SINCE = 150000

_NOT_OF_AN_EXTENSION = "NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = {oid} AND e.deptype = 'e')"
_OWN_SCHEMA = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
# A sequence of a column and a composite type of a table follow their table, and may not be named by themselves.
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
    """One at a time on this server, whoever asks; the server itself forgets one that died."""
    from psycopg import errors

    session.execute(f"SET lock_timeout = '{QUEUE_TIMEOUT}s'")
    try:
        session.execute("SELECT pg_advisory_lock(%s)", (QUEUE_LOCK_ID,))
    except errors.LockNotAvailable:
        raise TargetError(f"other databases have been cloned for {QUEUE_TIMEOUT} s; this one is tried again") from None
    session.execute("RESET lock_timeout")
    try:
        yield
    finally:
        session.execute("SELECT pg_advisory_unlock(%s)", (QUEUE_LOCK_ID,))


def clone(session: psycopg.Connection[Any], name: str, source: str) -> None:
    """Makes ``name``, of the role of that name, from the files of ``source``, which nobody may be using."""
    from psycopg import errors

    how = "STRATEGY FILE_COPY" if session.info.server_version >= FILE_COPY_SINCE else ""
    with clone_queue(session):
        try:
            postgres.execute(session, f"CREATE DATABASE {{}} OWNER {{}} TEMPLATE {{}} {how}", name, name, source)
        except errors.ObjectInUse:
            raise TargetError(
                f"the prepared database {source} is in use and cannot be cloned; whoever is connected must leave"
            ) from None
        except errors.InvalidCatalogName:
            raise TargetError(f"the server has no prepared database {source}; see the setting templates") from None


def reassign_ownership(settings: HostSettings, name: str) -> None:
    """All that is in the database belongs to the role of its name afterwards."""
    with postgres.connect(settings, name) as session, session.transaction():
        for (statement,) in session.execute(_OBJECTS).fetchall():
            postgres.execute(session, f"{statement.replace('{', '{{').replace('}', '}}')}{{}}", name)
