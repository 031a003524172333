"""The event log: one contract on the store and on its fake, and what the store does while its database is down.

Proves O1: on SQLite the loop continues, the gap is recorded, and nothing is lost unnecessarily. A PostgreSQL that dies
is in test_ledger_postgres.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from orchestrator.ledger import event_kinds
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.port import Event, Ledger
from orchestrator.ledger.sql_ledger import LedgerUnavailable, SqlLedger
from tests.ledger.postgres_server import PostgresServer

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


class FakeMonotonic:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def event(message: str, subject: str = "eph-shop/pr-1") -> Event:
    return Event(EventKind.ENVIRONMENT_READY, NOW, subject, message, "maria", {"commit": "abc"})


def url(path: Path) -> str:
    return f"sqlite:///{path}?timeout=0.05"


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made = create_ledger(request, tmp_path)
    yield made
    made.close()


def create_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    if request.param == "sqlite":
        return SqlLedger(url(tmp_path / "new" / "ledger.db"))
    server: PostgresServer = request.getfixturevalue("server")
    return SqlLedger(server.url(server.create_database()))


def messages(ledger: Ledger) -> list[str]:
    return [found.message for found in ledger.events()]


def test_recorded_events_are_read_back_completely(ledger: Ledger) -> None:
    ledger.record(event("one"))
    (found,) = ledger.events()
    assert found == Event(
        EventKind.ENVIRONMENT_READY, NOW, "eph-shop/pr-1", "one", "maria", {"commit": "abc"}, found.id
    )
    assert found.id > 0


def test_events_are_paged_oldest_first(ledger: Ledger) -> None:
    for number in range(7):
        ledger.record(event(str(number)))
    first = ledger.events(limit=3)
    assert [found.message for found in first] == ["0", "1", "2"]
    assert [found.message for found in ledger.events(after=first[-1].id, limit=3)] == ["3", "4", "5"]
    assert ledger.events(limit=0) == []


def test_newest_returns_the_last_ones_in_order(ledger: Ledger) -> None:
    for number in range(5):
        ledger.record(event(str(number)))
    assert [found.message for found in ledger.events(limit=2, newest=True)] == ["3", "4"]
    assert ledger.events(limit=0, newest=True) == []


def test_events_of_one_subject(ledger: Ledger) -> None:
    ledger.record(event("mine"))
    ledger.record(event("other", "eph-shop/pr-2"))
    assert [found.message for found in ledger.events("eph-shop/pr-1")] == ["mine"]
    assert len(ledger.events()) == 2


def test_many_threads_lose_nothing(ledger: Ledger) -> None:
    def record_ten() -> None:
        for _ in range(10):
            ledger.record(event("x"))

    threads = [threading.Thread(target=record_ten) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ledger.events(limit=200)
    assert len(found) == 80
    assert [each.id for each in found] == sorted({each.id for each in found})


def test_user_input_is_stored_unchanged(ledger: Ledger) -> None:
    ledger.record(event("'; DROP TABLE events; -- \u202e ünïcode 🦊"))
    assert messages(ledger) == ["'; DROP TABLE events; -- \u202e ünïcode 🦊"]


def test_store_survives_its_process(tmp_path: Path) -> None:
    with closing(SqlLedger(url(tmp_path / "l.db"))) as first:
        first.record(event("one"))
    with closing(SqlLedger(url(tmp_path / "l.db"))) as second:
        second.record(event("two"))
        assert messages(second) == ["one", "two"]


def test_times_are_utc_whatever_the_zone(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    with closing(SqlLedger(url(tmp_path / "l.db"))) as ledger:
        ledger.record(Event(EventKind.SERVICE_STARTED, NOW.astimezone(zone)))
        assert ledger.events()[0].at.isoformat() == "2026-11-21T04:00:00+00:00"


def test_event_that_a_database_would_reject_is_adapted_not_lost(tmp_path: Path) -> None:
    with closing(SqlLedger(url(tmp_path / "l.db"))) as ledger:
        ledger.record(event("a\x00b\udc80", "s" * 999))
        (found,) = ledger.events()
        assert found.message == "ab?"
        assert found.subject == "s" * 256


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    with closing(SqlLedger(url(tmp_path / "l.db"))) as ledger:
        ledger.record(event("one"))
        assert messages(ledger) == ["one"]
        with locked(tmp_path / "l.db"):
            assert messages(ledger) == ["one"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The database as a process that writes forever leaves it: every write of ours fails."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_events_wait_while_the_database_is_down_and_the_gap_is_recorded(tmp_path: Path) -> None:
    clock = FakeMonotonic()
    with closing(SqlLedger(url(tmp_path / "l.db"), buffer=3, monotonic=clock)) as ledger:
        ledger.record(event("before"))
        assert messages(ledger) == ["before"]
        with locked(tmp_path / "l.db"):
            for number in range(5):
                ledger.record(event(str(number)))
            assert messages(ledger) == ["before"]
        clock.now += 60
        *kept, gap = ledger.events()
        assert [found.message for found in kept] == ["before", "2", "3", "4"]
        assert gap.kind == EventKind.LEDGER_GAP
        assert gap.data == {"late": "3", "lost": "2"}
        ledger.record(event("later"))
        assert messages(ledger)[-1] == "later"
        assert sum(found.kind == EventKind.LEDGER_GAP for found in ledger.events()) == 1


def test_dead_database_is_left_alone_for_a_while(tmp_path: Path) -> None:
    clock = FakeMonotonic()
    with closing(SqlLedger(url(tmp_path / "l.db"), monotonic=clock)) as ledger:
        ledger.record(event("before"))
        assert messages(ledger) == ["before"]
        with locked(tmp_path / "l.db"):
            ledger.record(event("late"))
            assert messages(ledger) == ["before"]
        ledger.record(event("still quiet"))
        assert messages(ledger) == ["before"]
        clock.now += 6
        assert messages(ledger)[:3] == ["before", "late", "still quiet"]


def test_starts_without_a_database(tmp_path: Path) -> None:
    clock = FakeMonotonic()
    (tmp_path / "l.db").mkdir()
    with closing(SqlLedger(url(tmp_path / "l.db"), monotonic=clock)) as ledger:
        ledger.record(event("early"))
        ledger.record(event("early too"))
        with pytest.raises(LedgerUnavailable, match=r"can't be read: .*unable to open database file"):
            ledger.events()
        (tmp_path / "l.db").rmdir()
        clock.now += 60
        assert messages(ledger)[0] == "early"
        assert ledger.events(newest=True, limit=1)[0].data == {"late": "2", "lost": "0"}


def test_queued_events_are_written_on_close(tmp_path: Path) -> None:
    ledger = SqlLedger(url(tmp_path / "l.db"), monotonic=FakeMonotonic())
    ledger.record(event("before"))
    assert messages(ledger) == ["before"]
    with locked(tmp_path / "l.db"):
        ledger.record(event("late"))
        assert messages(ledger) == ["before"]
    ledger.close()
    with closing(SqlLedger(url(tmp_path / "l.db"))) as again:
        assert messages(again)[:2] == ["before", "late"]


def test_recording_after_close_is_no_error(tmp_path: Path) -> None:
    ledger = SqlLedger(url(tmp_path / "l.db"))
    ledger.close()
    ledger.record(event("too late"))


def test_every_kind_has_a_sentence() -> None:
    assert set(event_kinds.KINDS) == set(EventKind)
