"""The tables of one environment's schema: a view of each shared table, or a copy of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from programs.kit.database import postgres
from programs.kit.errors import TargetError
from programs.targets.pipeline import wording
from programs.targets.pipeline.data import shared_tables
from programs.targets.pipeline.data.port import TableCopy
from programs.targets.pipeline.settings import PipelineHost

Session = psycopg.Connection[Any]

MAX_NAME = 63
_SHARED = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated = '',
       coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%%', a.attidentity <> ''
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
ORDER BY c.relname, a.attnum
"""
_OWN = """
SELECT relname, relkind::text, coalesce(obj_description(oid, 'pg_class'), '')
FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
"""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    is_stored: bool
    has_sequence: bool
    is_identity: bool


@dataclass(frozen=True, slots=True)
class BoundTables:
    views: int
    copies: int


def bind(session: Session, host: PipelineHost, schema: str, copies: Sequence[TableCopy]) -> BoundTables:
    shared = _list_shared(session, host)
    wanted = shared_tables.by_table(copies, {name: [column.name for column in found] for name, found in shared.items()})
    notes = {name: shared_tables.note(columns, wanted.get(name)) for name, columns in shared.items()}
    taken = _remove_outdated(session, schema, notes)
    for name in sorted(shared.keys() - taken):
        if name in wanted:
            _copy(session, host, schema, wanted[name], shared[name])
        else:
            _view(session, host, schema, name)
        _comment(session, schema, name, notes[name], "TABLE" if name in wanted else "VIEW")
    return BoundTables(len(shared) - len(wanted), len(wanted))


def _list_shared(session: Session, host: PipelineHost) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = {}
    for table, *column in session.execute(_SHARED, [host.quoted_schema]):
        if shared_tables.is_shared(host, table):
            found.setdefault(table, []).append(Column(*column))
    return found


def _remove_outdated(session: Session, schema: str, notes: Mapping[str, str]) -> set[str]:
    """Returns the names that stay: what is up to date, and the branch's own tables."""
    kept = set()
    for name, kind, note in session.execute(_OWN, [postgres_identifier(session, schema)]).fetchall():
        if not note.startswith(shared_tables.MARK) or notes.get(name) == note:
            kept.add(name)
        else:
            what = "VIEW" if kind == "v" else "TABLE"
            postgres.execute(session, f"DROP {what} {{}}.{{}} CASCADE", schema, name)
    return kept


def postgres_identifier(session: Session, name: str) -> str:
    return sql.Identifier(name).as_string(session)


def _view(session: Session, host: PipelineHost, schema: str, table: str) -> None:
    names = (schema, table, host.schema_of_shared, table)
    postgres.execute(session, "CREATE VIEW {}.{} AS SELECT * FROM {}.{}", *names)
    postgres.execute(session, "GRANT SELECT ON {}.{} TO {}", schema, table, schema)


def _copy(session: Session, host: PipelineHost, schema: str, copy: TableCopy, columns: Sequence[Column]) -> None:
    """With defaults, keys and indexes. The environment's role owns it, and its sequences are its own."""
    table = sql.Identifier(schema, copy.table)
    shared = sql.Identifier(host.schema_of_shared, copy.table)
    session.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(table, shared))
    stored = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns if column.is_stored)
    done = session.execute(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} WHERE {} LIMIT {}").format(
            table, stored, stored, shared, _condition(copy), sql.Literal(host.copy_rows + 1)
        )
    )
    if done.rowcount > host.copy_rows:
        raise TargetError(wording.too_many_rows(copy.table, host.copy_rows))
    for column in columns:
        if column.has_sequence:
            sequence = sql.Identifier(schema, f"{copy.table}_{column.name}_seq"[:MAX_NAME])
            default = sql.Literal(sequence.as_string(session))
            session.execute(sql.SQL("CREATE SEQUENCE {}").format(sequence))
            statement = "ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval({})"
            session.execute(sql.SQL(statement).format(table, sql.Identifier(column.name), default))
            owned = sql.Identifier(schema, copy.table, column.name)
            session.execute(sql.SQL("ALTER SEQUENCE {} OWNED BY {}").format(sequence, owned))
        if column.has_sequence or column.is_identity:
            statement = "SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {}"
            text = sql.Literal(table.as_string(session))
            name = sql.Literal(column.name)
            session.execute(sql.SQL(statement).format(text, name, sql.Identifier(column.name), table))
    session.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(table, sql.Identifier(schema)))


def _condition(copy: TableCopy) -> Any:
    parts: list[sql.Composable] = []
    column = sql.Identifier(copy.column) if copy.column else None
    if column and copy.values:
        values = sql.SQL(", ").join(map(sql.Literal, copy.values))
        parts.append(sql.SQL("{} IN ({})").format(column, values))
    if column and copy.start:
        parts.append(sql.SQL("{} >= {}").format(column, sql.Literal(copy.start)))
    if column and copy.end:
        parts.append(sql.SQL("{} < {}").format(column, sql.Literal(copy.end)))
    return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")


def _comment(session: Session, schema: str, name: str, note: str, what: str) -> None:
    postgres.execute(session, f"COMMENT ON {what} {{}}.{{}} IS {{note}}", schema, name, note=note)
