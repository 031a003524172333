"""Schemas of environments on a real PostgreSQL, without Airflow. Rows: T5, S3."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from orchestrator.demo.airflow import warehouse
from orchestrator.demo.airflow.warehouse import Warehouse
from programs.kit.errors import TargetError
from programs.targets.pipeline import names, settings, wording
from programs.targets.pipeline.data import engines
from programs.targets.pipeline.data.port import DataConnection, DataEngine, TableCopy

pytestmark = pytest.mark.real

FIRST, SECOND = "shop-gentle-stream-42", "shop-calm-brook-43"
COLUMNS_OF_ORDERS = (
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position"
)
TOTALS = TableCopy("daily_totals", "day", start="2026-11-01")


@pytest.fixture(scope="module")
def data() -> Iterator[Warehouse]:
    folder = Path(tempfile.mkdtemp(prefix="eph-data-"))
    with warehouse.running(folder / "warehouse") as running:
        yield running
    shutil.rmtree(folder)


def engine(data: Warehouse, **changes: str) -> DataEngine:
    strings = {"root": "/nowhere", "server": "eph-c0ffee", "data_url": data.url, **changes}
    found = engines.find(settings.from_mapping(strings))
    assert found
    return found


@pytest.fixture
def bound(data: Warehouse) -> Iterator[dict[str, DataConnection]]:
    before = data.shared_rows()
    yield {name: engine(data).bind(name, [TOTALS], "") for name in (FIRST, SECOND)}
    for name in (FIRST, SECOND):
        engine(data).remove(name)
    assert data.leftovers() == []
    assert data.shared_rows() == before


def rows(connection: DataConnection, statement: str) -> list[tuple[object, ...]]:
    return Warehouse(connection.url).query(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders RETURNING id",
        "DELETE FROM public.orders RETURNING id",
        "TABLE public.orders",
        f"TABLE {names.schema(SECOND)}.orders",
        f"CREATE TABLE {names.schema(SECOND)}.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE ROLE another",
        f"ALTER ROLE {names.schema(SECOND)} PASSWORD 'x'",
        f"DROP SCHEMA {names.schema(SECOND)} CASCADE",
        "ALTER VIEW orders RENAME TO mine",
    ],
)
def test_data_of_others_is_out_of_reach(bound: dict[str, DataConnection], statement: str) -> None:
    """Neither the shared tables nor a neighbour's schema, with the password that the DAGs have."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(bound[FIRST], statement)


def test_views_show_all_rows_and_copies_the_selected_ones(data: Warehouse, bound: dict[str, DataConnection]) -> None:
    assert rows(bound[FIRST], "SELECT count(*) FROM orders") == [(4,)]
    assert rows(bound[FIRST], "SELECT day::text, cents FROM daily_totals") == [("2026-11-01", 550)]
    added = "INSERT INTO daily_totals (day, cents) VALUES ('2026-12-01', 1) RETURNING id"
    assert rows(bound[FIRST], added) == [(3,)], "its sequence is its own"
    assert rows(bound[SECOND], "SELECT count(*) FROM daily_totals") == [(1,)]
    data.execute("INSERT INTO orders VALUES (5, '2026-11-03', 'Milk', 120)")
    assert rows(bound[FIRST], "SELECT product FROM orders WHERE id = 5") == [("Milk",)]
    data.execute("DELETE FROM orders WHERE id = 5")


def test_an_update_keeps_password_and_rows_until_a_copy_is_declared_differently(
    data: Warehouse, bound: dict[str, DataConnection]
) -> None:
    rows(bound[FIRST], "INSERT INTO daily_totals (day, cents) VALUES ('2026-12-01', 1) RETURNING id")
    Warehouse(bound[FIRST].url).execute("CREATE TABLE mine (x int)")
    again = engine(data).bind(FIRST, [TOTALS], bound[FIRST].url)
    assert again.password == bound[FIRST].password
    assert rows(again, "SELECT count(*) FROM daily_totals") == [(2,)]
    data.execute("ALTER TABLE orders ADD COLUMN note text DEFAULT 'new'")
    assert (again.views, again.copies) == (1, 1)
    engine(data).bind(FIRST, [TOTALS], again.url)
    assert rows(again, "SELECT DISTINCT note FROM orders") == [("new",)], "the view has the new column"
    data.execute("ALTER TABLE orders DROP COLUMN note CASCADE")
    other = engine(data).bind(FIRST, [TableCopy("daily_totals", "cents", values=("100",))], again.url)
    assert rows(other, "SELECT cents FROM daily_totals") == [(100,)]
    assert rows(other, "SELECT count(*) FROM mine") == [(0,)], "what the branch created stays"
    engine(data).bind(FIRST, [], again.url)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        Warehouse(again.url).execute("DELETE FROM daily_totals")


def test_lost_password_is_replaced(data: Warehouse, bound: dict[str, DataConnection]) -> None:
    again = engine(data).bind(FIRST, [TOTALS], "")
    assert again.password != bound[FIRST].password
    assert rows(again, "SELECT count(*) FROM orders") == [(4,)]


def test_copies_that_can_not_be_made_are_refused(data: Warehouse) -> None:
    def refused(copy: TableCopy, **changes: str) -> str:
        with pytest.raises(TargetError) as error:
            engine(data, **changes).bind(FIRST, [copy], "")
        return error.value.sentence

    assert refused(TableCopy("nosuch")) == wording.unknown_table("nosuch", ["daily_totals", "orders"])
    assert refused(TableCopy("orders"), shared_tables="daily_*") == wording.unknown_table("orders", ["daily_totals"])
    columns = [str(name) for (name,) in data.query(COLUMNS_OF_ORDERS)]
    sentence = refused(TableCopy("orders", "year", values=("2026",)))
    assert sentence == wording.unknown_column("orders", "year", columns)
    assert refused(TableCopy("orders"), copy_rows="3") == wording.too_many_rows("orders", 3)
    assert data.leftovers() == [], "a refused binding leaves nothing"


def test_text_of_the_repository_is_data_and_not_sql(data: Warehouse) -> None:
    hostile = "Tea'); DROP TABLE orders; --"
    connection = engine(data).bind(FIRST, [TableCopy("orders", "product", values=("Tea", hostile))], "")
    assert rows(connection, "SELECT product FROM orders") == [("Tea",)]
    assert data.query("SELECT count(*) FROM orders") == [(4,)]
    engine(data).remove(FIRST)


@pytest.mark.parametrize(
    ("grant", "revoke", "sentence"),
    [
        (
            "GRANT INSERT ON orders TO PUBLIC",
            "REVOKE ALL ON orders FROM PUBLIC",
            wording.table_is_open("public.orders"),
        ),
        (
            "GRANT CREATE ON SCHEMA public TO PUBLIC",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            wording.schema_is_open("public"),
        ),
    ],
)
def test_rights_of_everyone_on_shared_data_prevent_environments(
    data: Warehouse, grant: str, revoke: str, sentence: str
) -> None:
    data.execute(grant)
    try:
        with pytest.raises(TargetError) as error:
            engine(data).bind(FIRST, [], "")
        assert error.value.sentence == sentence
    finally:
        data.execute(revoke)
    assert data.leftovers() == []


def test_what_another_server_created_is_not_touched(data: Warehouse, bound: dict[str, DataConnection]) -> None:
    other = engine(data, server="eph-beef00")
    assert other.list_names() == frozenset()
    assert engine(data).list_names() == {FIRST, SECOND}
    other.remove(FIRST)
    assert rows(bound[FIRST], "SELECT count(*) FROM orders") == [(4,)]
    with pytest.raises(TargetError) as error:
        other.bind(FIRST, [], "")
    assert error.value.sentence == wording.not_ours("role", names.schema(FIRST))


def test_removal_ends_sessions_and_takes_the_branchs_own_tables(
    data: Warehouse, bound: dict[str, DataConnection]
) -> None:
    with psycopg.connect(bound[FIRST].url, autocommit=True) as session:
        session.execute("CREATE TABLE mine (x int)")
        engine(data).remove(FIRST)
        with pytest.raises(psycopg.OperationalError):
            session.execute("TABLE mine")
    with pytest.raises(psycopg.OperationalError):
        rows(bound[FIRST], "SELECT 1")
    assert engine(data).list_names() == {SECOND}


def test_an_administrator_needs_no_more_than_the_documentation_says(data: Warehouse) -> None:
    """No superuser: it may create roles and schemas, and read the shared tables."""
    data.execute("CREATE ROLE pipelines LOGIN CREATEROLE PASSWORD 'pipelines'")
    data.execute("GRANT CREATE ON DATABASE warehouse TO pipelines")
    data.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO pipelines")
    parts = urlsplit(data.url)
    url = parts._replace(netloc=f"pipelines:pipelines@{parts.hostname}:{parts.port}").geturl()
    theirs = engine(data, data_url=url)
    connection = theirs.bind(FIRST, [TOTALS], "")
    assert rows(connection, "INSERT INTO daily_totals (day, cents) VALUES ('2026-12-01', 1) RETURNING id") == [(3,)]
    assert rows(connection, "SELECT count(*) FROM orders") == [(4,)]
    Warehouse(connection.url).execute("CREATE TABLE mine (x int)")
    theirs.bind(FIRST, [], connection.url)
    theirs.remove(FIRST)
    assert data.leftovers() == []
    data.execute("DROP OWNED BY pipelines; DROP ROLE pipelines")
