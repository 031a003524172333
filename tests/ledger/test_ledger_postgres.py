"""A real PostgreSQL that is killed, frozen or cut off while the ledger records (O1), and its password (S4).

Nothing raises, nothing blocks, kept events are written in order and once, and the gap is recorded.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from orchestrator.demo.free_ports import free_port
from orchestrator.ledger import database_engine, schema_upgrade
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.ledger.sql_ledger import LedgerUnavailable, SqlLedger
from tests.ledger import postgres_server
from tests.ledger.postgres_server import PASSWORD, CuttableProxy, PostgresServer

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
WRITE_SECONDS = 0.2
"""The maximum number of seconds for recording, whatever the database does."""
READ_SECONDS = 12.0


@pytest.fixture
def ledger(server: PostgresServer) -> Iterator[SqlLedger]:
    with closing(open_ledger(server.url(server.create_database()))) as made:
        yield made


def open_ledger(url: str) -> SqlLedger:
    return SqlLedger(url, retry_seconds=0.5)


def record(ledger: SqlLedger, *numbers: int) -> float:
    """Returns the longest time that any of it took."""
    longest = 0.0
    for number in numbers:
        began = time.monotonic()
        ledger.record(Event(EventKind.ENVIRONMENT_READY, NOW, "shop/pr-1", str(number)))
        longest = max(longest, time.monotonic() - began)
    return longest


def numbers(events: list[Event]) -> list[int]:
    return [int(event.message) for event in events if event.kind != EventKind.LEDGER_GAP]


def gaps(events: list[Event]) -> list[tuple[int, int]]:
    return [(int(e.data["late"]), int(e.data["lost"])) for e in events if e.kind == EventKind.LEDGER_GAP]


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def read_events(ledger: SqlLedger) -> list[Event]:
    try:
        return ledger.events(limit=5000)
    except LedgerUnavailable:
        return []


def failed_read_seconds(ledger: SqlLedger) -> float:
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable) as caught:
        ledger.events()
    assert PASSWORD not in f"{caught.value} {caught.value.__cause__}"
    return time.monotonic() - began


def test_after_a_kill_and_restore_it_gets_all_in_order_and_the_gap(
    server: PostgresServer, ledger: SqlLedger, caplog: pytest.LogCaptureFixture
) -> None:
    record(ledger, *range(5))
    assert numbers(ledger.events()) == [0, 1, 2, 3, 4]
    server.kill()
    assert record(ledger, *range(5, 50)) < WRITE_SECONDS
    assert failed_read_seconds(ledger) < READ_SECONDS
    server.start()
    record(ledger, 50)
    wait_until(lambda: numbers(read_events(ledger)) == list(range(51)))
    ((late, lost),) = gaps(ledger.events(limit=100))
    assert (late, lost) in {(45, 0), (46, 0)}
    assert "can't be written" in caplog.text
    assert PASSWORD not in caplog.text


def test_kill_during_a_write_loses_and_duplicates_nothing(server: PostgresServer, ledger: SqlLedger) -> None:
    """A commit whose response is lost is retried: the marks keep the event from being stored twice."""
    stop = threading.Event()
    longest: list[float] = []
    written: list[int] = []

    def work() -> None:
        while not stop.is_set() and len(written) < 900:
            written.append(len(written))
            longest.append(record(ledger, written[-1]))
            time.sleep(0.004)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(2):
        time.sleep(0.4)
        server.kill()
        time.sleep(0.2)
        server.start()
    stop.set()
    thread.join()
    wait_until(lambda: len(numbers(read_events(ledger))) >= len(written))
    found = ledger.events(limit=5000)
    assert numbers(found) == written
    assert gaps(found)
    assert max(longest) < WRITE_SECONDS


@pytest.mark.long
def test_frozen_server_is_given_up_soon_and_gets_all_when_it_resumes(server: PostgresServer, ledger: SqlLedger) -> None:
    """A paused server closes nothing: only our own clock ends the waiting."""
    record(ledger, 0)
    assert numbers(ledger.events()) == [0]
    server.send_signal(signal.SIGSTOP)
    try:
        assert record(ledger, 1, 2, 3) < WRITE_SECONDS
        assert failed_read_seconds(ledger) < READ_SECONDS
    finally:
        server.send_signal(signal.SIGCONT)
    wait_until(lambda: numbers(read_events(ledger)) == [0, 1, 2, 3])
    assert len(gaps(ledger.events())) == 1


@pytest.mark.long
@pytest.mark.exhaustive
def test_silently_cut_connection_ends_in_time(server: PostgresServer) -> None:
    with postgres_server.cuttable_proxy(server.port) as line:
        ledger = open_ledger(server.url(server.create_database(), line.port))
        record(ledger, 0)
        assert numbers(ledger.events()) == [0]
        line.cut()
        assert record(ledger, 1, 2) < WRITE_SECONDS
        assert failed_read_seconds(ledger) < READ_SECONDS
        line.restore()
        wait_until(lambda: numbers(read_events(ledger)) == [0, 1, 2])
        line.cut()
        record(ledger, 3)
        began = time.monotonic()
        ledger.close()
        assert time.monotonic() - began < 20


def test_starts_without_a_server() -> None:
    ledger = open_ledger(unreachable_url())
    assert record(ledger, *range(3)) < WRITE_SECONDS
    assert failed_read_seconds(ledger) < READ_SECONDS
    ledger.close()


def unreachable_url() -> str:
    return f"postgresql://eph:{PASSWORD}@127.0.0.1:{free_port()}/eph"


def test_two_replicas_number_events_in_the_order_they_appear(server: PostgresServer) -> None:
    """A reader that pages by number must not miss one that was committed later."""
    url = server.url(server.create_database())
    with closing(open_ledger(url)) as one, closing(open_ledger(url)) as two, closing(open_ledger(url)) as reader:
        reader.events()
        threads = [threading.Thread(target=record, args=(each, *range(60))) for each in (one, two)]
        for thread in threads:
            thread.start()
        seen: list[int] = []
        while len(seen) < 120:
            seen += [event.id for event in reader.events(after=seen[-1] if seen else 0)]
        for thread in threads:
            thread.join()
        assert seen == [event.id for event in reader.events(limit=500)]


def test_replica_that_stops_while_writing_does_not_block_the_others(server: PostgresServer, ledger: SqlLedger) -> None:
    record(ledger, 0)
    assert numbers(ledger.events()) == [0]
    engine = database_engine.create_engine(ledger._engine.url.render_as_string(hide_password=False))
    with engine.connect() as stopped:
        stopped.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema_upgrade.ADVISORY_LOCK + 1})")
        record(ledger, 1)
        wait_until(lambda: numbers(read_events(ledger)) == [0, 1])
        stopped.invalidate()
    engine.dispose()


# --- what may be told


def test_wrong_password_is_not_revealed(server: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ledger = open_ledger(server.url(server.create_database()).replace(PASSWORD, "another-secret"))
    record(ledger, 1)
    with pytest.raises(LedgerUnavailable, match="password authentication failed") as caught:
        ledger.events()
    ledger.close()
    assert "another-secret" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://eph:{PASSWORD}@[::1/eph", "not a valid database URL"),
        (PASSWORD, "not a valid database URL"),
        (f"postgresql://eph:{PASSWORD}@x@host/eph", "encode them as %40"),
        (f"postgresql://eph:{PASSWORD}@host:port/eph", "not a valid database URL"),
        (f"mysql://eph:{PASSWORD}@host/eph", "SQLite and PostgreSQL"),
        (f"nonsense+driver://eph:{PASSWORD}@host/eph", "SQLite and PostgreSQL"),
    ],
)
def test_wrong_url_is_reported_without_repeating_it(url: str, said: str) -> None:
    with pytest.raises(database_engine.BadDatabaseUrl) as caught:
        open_ledger(url)
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_password_among_the_parameters_is_not_told() -> None:
    told = database_engine.display_url(
        database_engine.parse(f"postgres://eph@host:5433/eph?password={PASSWORD}&sslmode=require")
    )
    assert told == "postgresql://eph@host:5433/eph"


def test_the_line_of_these_tests_does_pass_things_on(server: PostgresServer) -> None:
    with (
        postgres_server.cuttable_proxy(server.port) as line,
        closing(open_ledger(server.url(server.create_database(), line.port))) as ledger,
    ):
        assert isinstance(line, CuttableProxy)
        record(ledger, 7)
        assert numbers(ledger.events()) == [7]
