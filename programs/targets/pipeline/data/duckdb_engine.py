"""A DuckDB file per environment, next to the file with the shared tables. Imported only where it is configured.

DuckDB has no server and no users: whoever can open a file can change it. So an environment's isolation is that its
connection leads to its own file, in which the shared tables are views that only read. A view opens the shared file
while a query reads it, so DAGs need nothing but their own file. The folder of the files is named after this Eph, and
each file after its environment, so all are found without any state.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from programs.kit import files, identifiers
from programs.kit.errors import TargetError
from programs.targets.pipeline import wording
from programs.targets.pipeline.data import shared_tables
from programs.targets.pipeline.data.port import DataConnection, TableCopy
from programs.targets.pipeline.settings import PipelineHost

Session = duckdb.DuckDBPyConnection

SUFFIX = ".duckdb"
MEMORY, THREADS = "1GB", 2
"""Of the process that creates copies. What doesn't fit is on disk meanwhile."""
_ATTACHED = "eph_shared"
_SHARED = """
SELECT c.table_name, c.column_name, c.data_type FROM duckdb_columns() c
JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
WHERE c.database_name = ? AND c.schema_name = ? AND NOT c.internal ORDER BY c.table_name, c.column_index
"""
_OWN = """
SELECT table_name, 'TABLE', coalesce(comment, '') FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT temporary
UNION ALL SELECT view_name, 'VIEW', coalesce(comment, '') FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
"""


@dataclass(frozen=True, slots=True)
class DuckdbColumn:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class DuckdbEngine:
    host: PipelineHost

    def bind(self, environment: str, copies: Sequence[TableCopy], previous_url: str) -> DataConnection:  # noqa: ARG002 - a file has no password to keep
        file, is_new = self._file(environment), not self._file(environment).exists()
        if file.is_symlink():
            raise TargetError(wording.not_ours("file", str(file)))
        self._make_folder()
        try:
            with _session(self.host, file) as session:
                shared = self._list_shared(session)
                wanted = shared_tables.by_table(
                    copies, {name: [column.name for column in found] for name, found in shared.items()}
                )
                self._bind_tables(session, shared, wanted)
        except BaseException:
            if is_new:
                self.remove(environment)
            raise
        _give_to_owner(file, file.parent.parent, 0o660)
        views = len(shared) - len(wanted)
        url = f"duckdb:///{file}"
        return DataConnection("duckdb", str(file), None, "", "", "", str(file), url, "", views, len(wanted))

    def remove(self, environment: str) -> None:
        """With what an interrupted query left. The folder stays for the next environment."""
        for path in self._folder.glob(f"{self._file(environment).name}*"):
            files.remove(path)

    def list_names(self) -> frozenset[str]:
        found = (path.name.partition(SUFFIX)[0] for path in self._folder.glob(f"*{SUFFIX}*"))
        return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))

    @property
    def _folder(self) -> Path:
        return Path(self.host.data_folder) / (self.host.server or "eph")

    def _file(self, environment: str) -> Path:
        return self._folder / f"{identifiers.check_label(environment, 'environment')}{SUFFIX}"

    def _make_folder(self) -> None:
        if not Path(self.host.data_folder).is_dir():
            raise TargetError(wording.data_folder_missing(self.host.data_folder))
        if not self._folder.exists():
            self._folder.mkdir(exist_ok=True)
            _give_to_owner(self._folder, self._folder.parent, 0o2770)

    def _list_shared(self, session: Session) -> dict[str, list[DuckdbColumn]]:
        session.execute(f"ATTACH {_literal(self.host.shared_file)} AS {_ATTACHED} (READ_ONLY)")
        found: dict[str, list[DuckdbColumn]] = {}
        for table, *column in session.execute(_SHARED, [_ATTACHED, self.host.schema_of_shared]).fetchall():
            if shared_tables.is_shared(self.host, table):
                found.setdefault(table, []).append(DuckdbColumn(*column))
        session.execute(f"DETACH {_ATTACHED}")
        return found

    def _bind_tables(
        self, session: Session, shared: Mapping[str, Sequence[DuckdbColumn]], wanted: Mapping[str, TableCopy]
    ) -> None:
        notes = {name: shared_tables.note(columns, wanted.get(name)) for name, columns in shared.items()}
        session.execute("BEGIN")
        taken = _remove_outdated(session, notes)
        for name in sorted(shared.keys() - taken):
            if name in wanted:
                self._copy(session, wanted[name], shared[name])
            else:
                source = self._source(name)
                session.execute(f"CREATE VIEW {_identifier(name)} AS SELECT * FROM {source}")  # noqa: S608 - all quoted
            kind = "TABLE" if name in wanted else "VIEW"
            session.execute(f"COMMENT ON {kind} {_identifier(name)} IS {_literal(notes[name])}")
        session.execute("COMMIT")

    def _copy(self, session: Session, copy: TableCopy, columns: Sequence[DuckdbColumn]) -> None:
        table, limit = _identifier(copy.table), self.host.copy_rows
        condition, values = _condition(copy, columns)
        rows = f"SELECT * FROM {self._source(copy.table)} WHERE {condition} LIMIT {limit + 1}"  # noqa: S608 - all quoted
        session.execute(f"CREATE TABLE {table} AS {rows}", values)
        found = session.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - quoted
        if found and found[0] > limit:
            raise TargetError(wording.too_many_rows(copy.table, limit))

    def _source(self, table: str) -> str:
        named = {"schema_name": self.host.schema_of_shared, "table_name": table}
        arguments = [_literal(self.host.shared_file), *(f"{name}={_literal(value)}" for name, value in named.items())]
        return f"read_duckdb({', '.join(arguments)})"


def _remove_outdated(session: Session, notes: Mapping[str, str]) -> set[str]:
    """Returns the names that stay: what is up to date, and the branch's own tables."""
    kept = set()
    for name, kind, comment in session.execute(_OWN).fetchall():
        if not comment.startswith(shared_tables.MARK) or notes.get(name) == comment:
            kept.add(name)
        else:
            session.execute(f"DROP {kind} {_identifier(name)} CASCADE")
    return kept


def _condition(copy: TableCopy, columns: Sequence[DuckdbColumn]) -> tuple[str, list[str]]:
    """The text of eph.yaml is only ever a parameter, read as a value of the column's type."""
    if not copy.column:
        return "true", []
    kind = next(column.type for column in columns if column.name == copy.column)
    name, value = _identifier(copy.column), f"CAST(? AS {kind})"
    parts = [f"{name} IN ({', '.join([value] * len(copy.values))})"] if copy.values else []
    parts += [f"{name} >= {value}"] if copy.start else []
    parts += [f"{name} < {value}"] if copy.end else []
    return " AND ".join(parts), [*copy.values, *filter(None, (copy.start, copy.end))]


@contextlib.contextmanager
def _session(host: PipelineHost, file: Path) -> Iterator[Session]:
    try:
        with duckdb.connect(str(file), config={"memory_limit": MEMORY, "threads": THREADS}) as session:
            timer = threading.Timer(host.data_seconds, session.interrupt)
            timer.start()
            try:
                yield session
            finally:
                timer.cancel()
    except duckdb.InterruptException:
        raise TargetError(wording.data_too_slow(host.data_seconds)) from None
    except duckdb.Error as error:
        raise TargetError(wording.duckdb_failed(error)) from None


def _give_to_owner(path: Path, example: Path, mode: int) -> None:
    """To whom the operator's folder belongs: DAGs run as another user than Eph."""
    about = example.stat()
    if os.geteuid() == 0:
        os.chown(path, about.st_uid, about.st_gid)
    path.chmod(mode)


def _identifier(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
