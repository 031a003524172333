"""Files of environments on a real DuckDB, without Airflow. Rows: T5, S3."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from programs.kit.errors import TargetError
from programs.targets.pipeline import settings, wording
from programs.targets.pipeline.data import engines
from programs.targets.pipeline.data.port import DataConnection, DataEngine, TableCopy

pytestmark = pytest.mark.real

FIRST, SECOND = "shop-gentle-stream-42", "shop-calm-brook-43"
TABLES = """
CREATE TABLE orders (id integer PRIMARY KEY, day date NOT NULL, product text, cents integer);
INSERT INTO orders VALUES (1, '2026-11-01', 'Apples', 300), (2, '2026-11-02', 'Tea', 900);
CREATE TABLE daily_totals (day date, cents integer);
INSERT INTO daily_totals VALUES ('2026-10-31', 100), ('2026-11-01', 300);
CREATE SCHEMA internal; CREATE TABLE internal.salaries (cents integer);
"""
TOTALS = TableCopy("daily_totals", "day", start="2026-11-01")
Rows = list[tuple[object, ...]]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Its name has a quote, as a path may."""
    (tmp_path / "envs").mkdir()
    file = tmp_path / "ware'house.duckdb"
    change(file, TABLES)
    return file


def change(file: Path, statements: str) -> None:
    with duckdb.connect(str(file)) as session:
        session.execute(statements)


def rows(connection: DataConnection, statement: str) -> Rows:
    """As a DAG reads them: it opens the file that its connection names, and nothing else."""
    with duckdb.connect(connection.place) as session:
        found: Rows = session.execute(statement).fetchall()
    return found


def engine(shared: Path, **changes: str) -> DataEngine:
    folder = str(shared.parent / "envs")
    strings = {"root": "/nowhere", "server": "eph-c0ffee", "engine": "duckdb", "shared_file": str(shared)}
    found = engines.find(settings.from_mapping({**strings, "data_folder": folder, **changes}))
    assert found
    return found


def test_environments_read_shared_tables_and_write_only_their_own_copies(shared: Path) -> None:
    first, second = (engine(shared).bind(name, [TOTALS], "") for name in (FIRST, SECOND))
    assert (first.views, first.copies, first.kind) == (1, 1, "duckdb")
    assert rows(first, "SELECT cents FROM daily_totals") == [(300,)]
    rows(first, "INSERT INTO daily_totals VALUES ('2026-11-02', 900)")
    change(shared, "INSERT INTO orders VALUES (3, '2026-11-03', 'Milk', 120)")
    assert rows(first, "SELECT count(*) FROM orders") == [(3,)], "a view shows new rows"
    assert rows(second, "SELECT count(*) FROM daily_totals") == [(1,)]
    for statement in ("DELETE FROM orders", "DROP TABLE orders", "SELECT * FROM salaries"):
        with pytest.raises(duckdb.ProgrammingError):
            rows(first, statement)
    assert engine(shared).list_names() == {FIRST, SECOND}
    assert engine(shared, server="eph-another").list_names() == frozenset()

    engine(shared).remove(FIRST)
    engine(shared).remove(FIRST)
    assert engine(shared).list_names() == {SECOND}
    assert rows(second, "SELECT count(*) FROM orders") == [(3,)]
    engine(shared).remove(SECOND)
    assert list((shared.parent / "envs").rglob("*.duckdb*")) == []
    with duckdb.connect(str(shared)) as session:
        assert session.execute("SELECT sum(cents) FROM daily_totals").fetchall() == [(400,)]


def test_an_update_keeps_rows_until_a_copy_is_declared_differently(shared: Path) -> None:
    bound = engine(shared).bind(FIRST, [TOTALS], "")
    rows(bound, "INSERT INTO daily_totals VALUES ('2026-12-01', 1)")
    rows(bound, "CREATE TABLE mine (x integer)")
    change(shared, "ALTER TABLE orders ADD COLUMN note text DEFAULT 'new'")
    engine(shared).bind(FIRST, [TOTALS], bound.url)
    assert rows(bound, "SELECT count(*) FROM daily_totals") == [(2,)]
    assert rows(bound, "SELECT DISTINCT note FROM orders") == [("new",)]
    engine(shared).bind(FIRST, [TableCopy("daily_totals", "cents", values=("100",))], bound.url)
    assert rows(bound, "SELECT cents FROM daily_totals") == [(100,)]
    assert rows(bound, "SELECT count(*) FROM mine") == [(0,)], "what the branch created stays"
    engine(shared).bind(FIRST, [], bound.url)
    with pytest.raises(duckdb.ProgrammingError):
        rows(bound, "DELETE FROM daily_totals")


def test_copies_that_can_not_be_made_are_refused_and_leave_nothing(shared: Path) -> None:
    def refused(copy: TableCopy, **changes: str) -> str:
        with pytest.raises(TargetError) as error:
            engine(shared, **changes).bind(FIRST, [copy], "")
        return error.value.sentence

    assert refused(TableCopy("nosuch")) == wording.unknown_table("nosuch", ["daily_totals", "orders"])
    assert refused(TableCopy("orders"), shared_tables="daily_*") == wording.unknown_table("orders", ["daily_totals"])
    columns = ["id", "day", "product", "cents"]
    assert refused(TableCopy("orders", "year", start="1")) == wording.unknown_column("orders", "year", columns)
    assert refused(TableCopy("orders"), copy_rows="1") == wording.too_many_rows("orders", 1)
    assert "yesterday" in refused(TableCopy("orders", "day", start="yesterday"))
    missing = str(shared.parent / "nosuch")
    assert refused(TOTALS, data_folder=missing) == wording.data_folder_missing(missing)
    assert engine(shared).list_names() == frozenset()


def test_text_of_the_repository_is_data_and_not_sql(shared: Path) -> None:
    hostile = "Tea'); DROP TABLE orders; --"
    bound = engine(shared).bind(FIRST, [TableCopy("orders", "product", values=("Tea", hostile))], "")
    assert rows(bound, "SELECT product FROM orders") == [("Tea",)]


def test_file_that_a_branch_replaced_by_a_link_is_not_followed(shared: Path) -> None:
    """Eph would create views in the shared tables' own file."""
    file = Path(engine(shared).bind(FIRST, [TOTALS], "").place)
    file.unlink()
    file.symlink_to(shared)
    with pytest.raises(TargetError) as error:
        engine(shared).bind(FIRST, [TOTALS], "")
    assert error.value.sentence == wording.not_ours("file", str(file))
    engine(shared).remove(FIRST)
    assert shared.exists()
    assert engine(shared).list_names() == frozenset()


def test_shared_file_that_another_program_writes_is_reported(shared: Path) -> None:
    script = (
        f"import duckdb, sys; writer = duckdb.connect({str(shared)!r}); print('open', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as writer:  # type: ignore[call-overload] # two pipes
        writer.stdout.readline()
        with pytest.raises(TargetError, match="lock"):
            engine(shared).bind(FIRST, [TOTALS], "")
        writer.stdin.close()
    assert engine(shared).bind(FIRST, [TOTALS], "").copies == 1


def test_server_without_the_package_says_what_to_install(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "programs.targets.pipeline.data.duckdb_engine", raising=False)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(TargetError) as error:
        engine(shared)
    assert error.value.sentence == wording.NO_DUCKDB
