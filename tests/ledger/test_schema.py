"""The ledger's schema on SQLite and PostgreSQL: one, reached from nothing and from the first version's table (O1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from orchestrator.ledger import database_engine, schema_upgrade
from orchestrator.ledger.port import Event
from orchestrator.ledger.sql_ledger import SqlLedger
from orchestrator.ledger.tables import METADATA
from tests.ledger.postgres_server import PostgresServer

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/100%/ledger.db"
    server: PostgresServer = request.getfixturevalue("server")
    return server.url(server.create_database())


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = database_engine.create_engine(url)
    yield made
    made.dispose()


def create_first_version_table(engine: sa.Engine) -> None:
    """As ``metadata.create_all`` of Eph's first version made it, with one event."""
    metadata = sa.MetaData()
    events = sa.Table(
        "events",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.String(32), nullable=False, index=True),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Index("events_by_subject", "subject", "id"),
        sqlite_autoincrement=True,
    )
    if engine.url.database and engine.dialect.name == "sqlite":
        Path(engine.url.database).parent.mkdir(parents=True)
    metadata.create_all(engine)
    row = {"kind": "a.b", "at": "2026-11-20T04:00:00.000000+00:00", "subject": "s", "actor": "eph", "data": "{}"}
    with engine.begin() as connection:
        connection.execute(sa.insert(events), [{**row, "message": "of old"}])


def differences(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))


def versions(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())


def test_the_steps_lead_to_the_tables_that_the_code_uses(engine: sa.Engine) -> None:
    schema_upgrade.upgrade(engine)
    assert differences(engine) == []
    assert versions(engine) == [schema_upgrade.LATEST_REVISION]


def test_the_first_versions_table_is_taken_over_with_its_events(engine: sa.Engine, url: str) -> None:
    create_first_version_table(engine)
    with closing(SqlLedger(url)) as ledger:
        ledger.record(Event("a.c", NOW, "s", "of new"))
        assert [(found.id, found.message) for found in ledger.events()] == [(1, "of old"), (2, "of new")]
    assert differences(engine) == []


def test_the_first_version_can_go_on_writing(engine: sa.Engine) -> None:
    """While replicas are replaced one by one, the old ones know nothing of the new columns."""
    schema_upgrade.upgrade(engine)
    old = "INSERT INTO events (kind, at, subject, message, actor, data) VALUES ('k', 'a', 's', 'm', 'e', '{}')"
    with engine.begin() as connection:
        connection.execute(sa.text(old))
        connection.execute(sa.text(old))
        assert connection.execute(sa.text("SELECT count(*) FROM events")).scalar() == 2


def test_many_replicas_that_start_at_once_make_it_once(url: str) -> None:
    engines = [database_engine.create_engine(url) for _ in range(6)]
    failed: list[BaseException] = []
    together = threading.Barrier(len(engines))

    def start(engine: sa.Engine) -> None:
        together.wait()
        try:
            schema_upgrade.upgrade(engine)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=start, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert versions(engines[0]) == [schema_upgrade.LATEST_REVISION]
    for engine in engines:
        engine.dispose()


def test_a_step_that_fails_leaves_the_old_schema(engine: sa.Engine) -> None:
    create_first_version_table(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE leases (in_the_way INTEGER)"))
    with pytest.raises(DBAPIError):
        schema_upgrade.upgrade(engine)
    assert not sa.inspect(engine).has_table("alembic_version")
    assert "mark" not in {column["name"] for column in sa.inspect(engine).get_columns("events")}
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE leases"))
    schema_upgrade.upgrade(engine)
    assert differences(engine) == []


def test_a_newer_schema_is_left_as_it_is_and_used(engine: sa.Engine, url: str) -> None:
    schema_upgrade.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE events ADD COLUMN later VARCHAR(8)"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    with closing(SqlLedger(url)) as ledger:
        ledger.record(Event("a.b", NOW, "s", "one"))
        assert [found.message for found in ledger.events()] == ["one"]
    assert versions(engine) == ["0999"]


def test_events_cannot_be_changed(engine: sa.Engine, url: str) -> None:
    with closing(SqlLedger(url)) as ledger:
        ledger.record(Event("a.b", NOW, "s", "what happened"))
        assert len(ledger.events()) == 1
        with pytest.raises(DBAPIError, match="events are only added"), engine.begin() as connection:
            connection.execute(sa.text("UPDATE events SET message = 'what I would like'"))
        assert [found.message for found in ledger.events()] == ["what happened"]


def test_the_code_knows_the_last_step() -> None:
    script = ScriptDirectory(str(schema_upgrade.FOLDER))
    assert script.get_heads() == [schema_upgrade.LATEST_REVISION]
    assert script.get_bases() == [schema_upgrade.FIRST_REVISION]
    assert all(len(step.revision) == 4 and step.revision.isdigit() for step in script.walk_revisions())
