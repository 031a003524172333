"""What migrations changed in the schema of a database, on a real PostgreSQL. Row: D4."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit.database import environment_databases, postgres, schemas
from programs.targets.local.target import TARGET
from tests.targets.local_machine import LocalMachine

NAME = "eph_shop_schemas"
SEED = """
CREATE TABLE items (id int PRIMARY KEY, name text, price int);
CREATE TABLE notes (id int);
CREATE VIEW cheap AS SELECT id FROM items WHERE id < 10;
"""
MIGRATIONS = """
CREATE TABLE carts (id int NOT NULL, item int REFERENCES items, "odd name" text);
ALTER TABLE items ADD COLUMN colour text DEFAULT 'red';
ALTER TABLE items ALTER COLUMN name SET NOT NULL;
ALTER TABLE items ALTER COLUMN price TYPE bigint;
CREATE INDEX by_colour ON items (colour);
DROP TABLE notes;
CREATE SCHEMA stock;
CREATE TABLE stock.crates (id int);
CREATE OR REPLACE VIEW cheap AS SELECT id FROM items WHERE id < 20;
"""


def test_differences_are_listed_by_importance() -> None:
    before = {
        "table a": "",
        "column a.x": "integer",
        "column a.y": "text",
        "index a.i": "CREATE INDEX i",
        "table b": "",
    }
    now = {"table a": "", "column a.x": "bigint", "column a.z": "text not null", "table c": "", "column c.q": "text"}
    assert schemas.difference(before, now) == [
        "- table b",
        "+ table c (q text)",
        "~ column a.x integer → bigint",
        "- column a.y text",
        "+ column a.z text not null",
        "- index a.i CREATE INDEX i",
    ]
    assert schemas.difference(before, before) == []


def test_a_long_difference_is_cut() -> None:
    found = schemas.difference({}, {f"table t{number:03}": "" for number in range(schemas.MAX_LINES + 7)})
    assert len(found) == schemas.MAX_LINES + 1
    assert "7" in found[-1]


@pytest.fixture(scope="module")
def machine() -> Iterator[LocalMachine]:
    folder = Path(tempfile.mkdtemp(prefix="eph-local-"))
    made = LocalMachine(folder, {"root": str(folder / "root"), "routes": str(folder / "routes"), "sandbox": "none"})
    TARGET.ensure(made.raw_settings)
    try:
        yield made
    finally:
        TARGET.stop(made.raw_settings)
        shutil.rmtree(folder)


def _execute(machine: LocalMachine, statements: str) -> None:
    with postgres.connect(machine.settings, NAME) as session:
        session.execute(f"SET ROLE {NAME}")
        session.execute(statements)


@pytest.mark.real
@pytest.mark.long
def test_the_base_is_the_schema_before_the_first_migration(machine: LocalMachine, tmp_path: Path) -> None:
    environment_databases.create(machine.settings, "shop-1", NAME)
    _execute(machine, SEED)
    before = schemas.base(machine.settings, tmp_path, NAME, "first")
    _execute(machine, MIGRATIONS)
    lines = schemas.difference(before, schemas.describe(machine.settings, NAME))
    assert lines == [
        '+ table carts (id integer not null, item integer, "odd name" text)',
        "- table notes",
        "+ table stock.crates (id integer)",
        "+ column items.colour text",
        "~ column items.name text → text not null",
        "~ column items.price integer → bigint",
        "~ view cheap",
        "+ index items.by_colour CREATE INDEX by_colour ON public.items USING btree (colour)",
    ]
    assert schemas.base(machine.settings, tmp_path, NAME, "first") == before, "a second push has the same base"
    assert schemas.base(machine.settings, tmp_path, NAME, "second") != before, "a reset database has its own"


@pytest.mark.real
@pytest.mark.long
def test_what_is_in_a_database_gets_no_rights(machine: LocalMachine) -> None:
    """S3: a function that shadows one of PostgreSQL's isn't called."""
    environment_databases.create(machine.settings, "shop-1", NAME)
    _execute(
        machine,
        "CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;"
        "CREATE TABLE items (id int)",
    )
    assert schemas.describe(machine.settings, NAME) == {"table items": "", "column items.id": "integer"}
