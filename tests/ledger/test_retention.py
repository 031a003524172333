"""Old events go in small batches, and the newest of each subject stays (O1)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.ledger import databases, retention
from orchestrator.ledger.port import Event
from orchestrator.ledger.store import SqlLedger
from tests.ledger.servers import Server

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: Server = request.getfixturevalue("server")
    return server.url(server.database())


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = databases.engine(url)
    yield made
    made.dispose()


def aged(*days: int, subject: str = "s") -> list[Event]:
    return [Event("a.b", NOW - day * DAY, subject, str(day)) for day in days]


def pruned(engine: sa.Engine, before: datetime, batch: int = 500) -> int:
    with engine.begin() as connection:
        return retention.prune(connection, before, batch)


def filled(ledger: SqlLedger, *events: Event) -> None:
    for event in events:
        ledger.record(event)
    assert len(ledger.events(limit=5000)) == len(events)


def kept(ledger: SqlLedger, subject: str = "") -> list[str]:
    return [event.message for event in ledger.events(subject, limit=5000)]


def test_what_is_too_old_goes(url: str, engine: sa.Engine) -> None:
    with closing(SqlLedger(url)) as ledger:
        filled(ledger, *aged(200, 100, 91, 89, 1))
        assert pruned(engine, NOW - 90 * DAY) == 3
        assert kept(ledger) == ["89", "1"]


def test_the_newest_of_each_subject_stays(url: str, engine: sa.Engine) -> None:
    with closing(SqlLedger(url)) as ledger:
        filled(ledger, *aged(300, 200, subject="quiet"), *aged(300, 250, subject=""), *aged(300, 2, subject="busy"))
        assert pruned(engine, NOW - 90 * DAY) == 3
        assert (kept(ledger, "quiet"), kept(ledger, "busy")) == (["200"], ["2"])
        assert kept(ledger) == ["200", "250", "2"]


def test_batches_are_small_and_the_oldest_go_first(url: str, engine: sa.Engine) -> None:
    with closing(SqlLedger(url)) as ledger:
        filled(ledger, *aged(*range(120, 100, -1)))
        assert pruned(engine, NOW - 90 * DAY, batch=7) == 7
        assert kept(ledger)[0] == "113"
        assert [pruned(engine, NOW - 90 * DAY, batch=7) for _ in range(3)] == [7, 5, 0]
        assert kept(ledger) == ["101"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_store_does_it_now_and_then_by_itself(tmp_path: Path) -> None:
    clock = Clock()
    ledger = SqlLedger(f"sqlite:///{tmp_path}/l.db", keep=10 * DAY, monotonic=clock, now=lambda: NOW)
    with closing(ledger):
        filled(ledger, *aged(30, 20, 5))
        clock.now += retention.SOON
        ledger.record(*aged(1))
        deadline = time.monotonic() + 5
        while "30" in kept(ledger):  # the thread of the store is at work
            assert time.monotonic() < deadline
        assert kept(ledger) == ["5", "1"]
