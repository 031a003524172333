"""Old events go in small batches, and the newest of each subject stays (O1)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.ledger import database_engine, retention
from orchestrator.ledger.port import Event
from orchestrator.ledger.sql_ledger import SqlLedger
from tests.ledger.postgres_server import PostgresServer

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgresServer = request.getfixturevalue("server")
    return server.url(server.create_database())


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = database_engine.create_engine(url)
    yield made
    made.dispose()


def events_aged(*days: int, subject: str = "s") -> list[Event]:
    return [Event("a.b", NOW - day * DAY, subject, str(day)) for day in days]


def prune_batch(engine: sa.Engine, before: datetime, batch: int = 500) -> int:
    with engine.begin() as connection:
        return retention.prune(connection, before, batch)


def fill(ledger: SqlLedger, *events: Event) -> None:
    for event in events:
        ledger.record(event)
    assert len(ledger.events(limit=5000)) == len(events)


def remaining(ledger: SqlLedger, subject: str = "") -> list[str]:
    return [event.message for event in ledger.events(subject, limit=5000)]


def test_what_is_too_old_goes(url: str, engine: sa.Engine) -> None:
    with closing(SqlLedger(url)) as ledger:
        fill(ledger, *events_aged(200, 100, 91, 89, 1))
        assert prune_batch(engine, NOW - 90 * DAY) == 3
        assert remaining(ledger) == ["89", "1"]


def test_the_newest_of_each_subject_stays(url: str, engine: sa.Engine) -> None:
    with closing(SqlLedger(url)) as ledger:
        fill(
            ledger,
            *events_aged(300, 200, subject="quiet"),
            *events_aged(300, 250, subject=""),
            *events_aged(300, 2, subject="busy"),
        )
        assert prune_batch(engine, NOW - 90 * DAY) == 3
        assert (remaining(ledger, "quiet"), remaining(ledger, "busy")) == (["200"], ["2"])
        assert remaining(ledger) == ["200", "250", "2"]


def test_batches_are_small_and_the_oldest_go_first(url: str, engine: sa.Engine) -> None:
    with closing(SqlLedger(url)) as ledger:
        fill(ledger, *events_aged(*range(120, 100, -1)))
        assert prune_batch(engine, NOW - 90 * DAY, batch=7) == 7
        assert remaining(ledger)[0] == "113"
        assert [prune_batch(engine, NOW - 90 * DAY, batch=7) for _ in range(3)] == [7, 5, 0]
        assert remaining(ledger) == ["101"]


class FakeMonotonic:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_store_does_it_now_and_then_by_itself(tmp_path: Path) -> None:
    clock = FakeMonotonic()
    ledger = SqlLedger(f"sqlite:///{tmp_path}/l.db", keep=10 * DAY, monotonic=clock, now=lambda: NOW)
    with closing(ledger):
        fill(ledger, *events_aged(30, 20, 5))
        clock.now += retention.SOON_SECONDS
        ledger.record(*events_aged(1))
        deadline = time.monotonic() + 5
        while "30" in remaining(ledger):  # the thread of the store is at work
            assert time.monotonic() < deadline
        assert remaining(ledger) == ["5", "1"]
