"""What migrations changed in a database: its schema before the first of them, compared with its schema now.

The schema before is that of the seed or of the prepared database, and so the base branch's, if these come from there.
It is kept in a file of the environment, together with the mark of the database that it belongs to: a database that is
created again has another mark, and gets another base. The database's owner can't change the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from programs.kit import files
from programs.kit.database import postgres, server_errors, wording
from programs.kit.host_settings import HostSettings
from programs.redaction import redact

Schema = Mapping[str, str]
"""The objects of a database, such as ``column items.name``, and their definitions."""

MAX_OBJECTS = 5000
MAX_LINES = 50
_OBJECTS = f"""
SELECT key, value FROM (WITH owned AS (
  SELECT c.oid, c.relkind,
         CASE n.nspname WHEN 'public' THEN '' ELSE format('%I.', n.nspname) END || format('%I', c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
)
SELECT CASE WHEN relkind IN ('v', 'm') THEN 'view ' ELSE 'table ' END || name,
       CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) ELSE '' END, 0
  FROM owned WHERE relkind IN ('r', 'p', 'f', 'v', 'm')
UNION ALL
SELECT 'column ' || o.name || '.' || quote_ident(a.attname),
       format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, a.attnum
  FROM owned o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE o.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'index ' || o.name || '.' || quote_ident(i.relname), pg_get_indexdef(i.oid), 0
  FROM owned o JOIN pg_index x ON x.indrelid = o.oid JOIN pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT 'constraint ' || o.name || '.' || quote_ident(k.conname), pg_get_constraintdef(k.oid), 0
  FROM owned o JOIN pg_constraint k ON k.conrelid = o.oid AND k.contype IN ('f', 'c')
) AS found (key, value, place) ORDER BY place, key LIMIT {MAX_OBJECTS}
"""  # noqa: S608 - made of constants


@server_errors.retried
def describe(settings: HostSettings, name: str) -> Schema:
    """As the database's own role, so that nothing in it can use the administrator's rights."""
    try:
        with postgres.connect(settings, name) as session:
            session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(name)))
            session.execute("SET search_path = pg_catalog")
            session.execute("SET statement_timeout = '20s'")
            return {str(key): str(value) for key, value in session.execute(_OBJECTS).fetchall()}
    except psycopg.Error as error:
        raise server_errors.translate(error) from None


def base(settings: HostSettings, folder: Path, name: str, mark: str) -> Schema:
    """The schema before the first migration of this database. Call it before each run of its migrations."""
    path = folder / "schemas" / f"{name}.json"
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        kept = {}
    if kept.get("mark") == mark:
        return {str(key): str(value) for key, value in kept["schema"].items()}
    found = describe(settings, name)
    files.make_folder(path.parent)
    files.write(path, json.dumps({"mark": mark, "schema": dict(found)}))
    return found


def difference(before: Schema, now: Schema) -> list[str]:
    """A line for each change, the most important first. What belongs to a new or removed table isn't listed."""
    lines = list(_changes(before, now))
    more = len(lines) - MAX_LINES
    return [*lines[:MAX_LINES], *([wording.more_changes(more)] if more > 0 else [])]


def _changes(before: Schema, now: Schema) -> Iterator[str]:
    tables = {key.partition(" ")[2] for key in before.keys() ^ now.keys() if key.startswith("table ")}
    for kind in ("table", "column", "view", "constraint", "index"):
        for key in sorted(before.keys() | now.keys()):
            word, _, name = key.partition(" ")
            if word != kind or (word not in ("table", "view") and name.rpartition(".")[0] in tables):
                continue
            yield from _change(key, before.get(key), now.get(key), now)


def _change(key: str, old: str | None, new: str | None, now: Schema) -> Iterator[str]:
    shown = "" if key.startswith(("view ", "table ")) else " {}"
    if old is None and new is not None:
        yield redact(f"+ {key}{_columns(key, now) or shown.format(new)}")
    elif new is None and old is not None:
        yield redact(f"- {key}{shown.format(old)}")
    elif old != new:
        yield redact(f"~ {key}" + (f" {old} → {new}" if shown else ""))


def _columns(key: str, now: Schema) -> str:
    """Of a new table."""
    word, _, table = key.partition(" ")
    start = f"column {table}."
    found = [f"{name.removeprefix(start)} {kind}" for name, kind in now.items() if name.startswith(start)]
    return f" ({', '.join(found)})" if word == "table" and found else ""
