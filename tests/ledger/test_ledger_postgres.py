"""A real PostgreSQL that is killed, frozen or cut off while the ledger records (O1), and its password (S4).

Nothing raises, nothing blocks, what was kept is written in its order and once, and the gap is told.
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

from orchestrator.ledger import databases, kinds, store
from orchestrator.ledger.port import Event
from orchestrator.ledger.store import LedgerUnavailable, SqlLedger
from tests.ledger import servers
from tests.ledger.servers import PASSWORD, Line, Server

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
MOMENT = 0.2
"""Seconds that recording may take, whatever the database does."""
READ = 12.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "QUIET_SECONDS", 0.5)


@pytest.fixture
def ledger(server: Server) -> Iterator[SqlLedger]:
    with closing(SqlLedger(server.url(server.database()))) as made:
        yield made


def record(ledger: SqlLedger, *numbers: int) -> float:
    """The longest that any of it took."""
    longest = 0.0
    for number in numbers:
        began = time.monotonic()
        ledger.record(Event(kinds.ENVIRONMENT_READY, NOW, "shop/pr-1", str(number)))
        longest = max(longest, time.monotonic() - began)
    return longest


def numbers(found: list[Event]) -> list[int]:
    return [int(event.message) for event in found if event.kind != kinds.LEDGER_GAP]


def gaps(found: list[Event]) -> list[tuple[int, int]]:
    return [(int(e.data["late"]), int(e.data["lost"])) for e in found if e.kind == kinds.LEDGER_GAP]


def eventually(wanted: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def read(ledger: SqlLedger) -> list[Event]:
    try:
        return ledger.events(limit=5000)
    except LedgerUnavailable:
        return []


def unreadable(ledger: SqlLedger) -> float:
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable) as caught:
        ledger.events()
    assert PASSWORD not in f"{caught.value} {caught.value.__cause__}"
    return time.monotonic() - began


def test_killed_and_restored_it_gets_all_in_order_and_the_gap(
    server: Server, ledger: SqlLedger, caplog: pytest.LogCaptureFixture
) -> None:
    record(ledger, *range(5))
    assert numbers(ledger.events()) == [0, 1, 2, 3, 4]
    server.kill()
    assert record(ledger, *range(5, 50)) < MOMENT
    assert unreadable(ledger) < READ
    server.start()
    record(ledger, 50)
    eventually(lambda: numbers(read(ledger)) == list(range(51)))
    ((late, lost),) = gaps(ledger.events(limit=100))
    assert (late, lost) in {(45, 0), (46, 0)}
    assert "cannot be written" in caplog.text
    assert PASSWORD not in caplog.text


def test_killed_in_the_middle_of_writing_nothing_is_lost_or_doubled(server: Server, ledger: SqlLedger) -> None:
    """A commit whose answer is lost is tried again: the marks keep the event from being there twice."""
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
    eventually(lambda: len(numbers(read(ledger))) >= len(written))
    found = ledger.events(limit=5000)
    assert numbers(found) == written
    assert gaps(found)
    assert max(longest) < MOMENT


@pytest.mark.long
def test_frozen_it_is_given_up_after_a_moment_and_gets_all_when_it_thaws(server: Server, ledger: SqlLedger) -> None:
    """A stopped server closes nothing: only our own clock ends the waiting."""
    record(ledger, 0)
    assert numbers(ledger.events()) == [0]
    server.signal(signal.SIGSTOP)
    try:
        assert record(ledger, 1, 2, 3) < MOMENT
        assert unreadable(ledger) < READ
    finally:
        server.signal(signal.SIGCONT)
    eventually(lambda: numbers(read(ledger)) == [0, 1, 2, 3])
    assert len(gaps(ledger.events())) == 1


@pytest.mark.long
def test_cut_off_without_a_goodbye_it_ends_in_time(server: Server) -> None:
    with servers.line(server.port) as line:
        ledger = SqlLedger(server.url(server.database(), line.port))
        record(ledger, 0)
        assert numbers(ledger.events()) == [0]
        line.cut()
        assert record(ledger, 1, 2) < MOMENT
        assert unreadable(ledger) < READ
        line.mend()
        eventually(lambda: numbers(read(ledger)) == [0, 1, 2])
        line.cut()
        record(ledger, 3)
        began = time.monotonic()
        ledger.close()
        assert time.monotonic() - began < 20


def test_a_start_without_a_server_is_a_start() -> None:
    ledger = SqlLedger(url_of_nobody())
    assert record(ledger, *range(3)) < MOMENT
    assert unreadable(ledger) < READ
    ledger.close()


def url_of_nobody() -> str:
    return f"postgresql://eph:{PASSWORD}@127.0.0.1:{servers.free_port()}/eph"


def test_two_replicas_number_their_events_in_the_order_in_which_they_appear(server: Server) -> None:
    """A reader that pages by number must not miss one that was committed later."""
    url = server.url(server.database())
    with closing(SqlLedger(url)) as one, closing(SqlLedger(url)) as two, closing(SqlLedger(url)) as reader:
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


def test_a_replica_that_stops_in_the_middle_of_writing_does_not_hold_the_others_up(
    server: Server, ledger: SqlLedger
) -> None:
    record(ledger, 0)
    assert numbers(ledger.events()) == [0]
    engine = databases.engine(ledger._engine.url.render_as_string(hide_password=False))
    with engine.connect() as stopped:
        stopped.exec_driver_sql(f"SELECT pg_advisory_xact_lock({store.schema.LOCK + 1})")
        record(ledger, 1)
        eventually(lambda: numbers(read(ledger)) == [0, 1])
        stopped.invalidate()
    engine.dispose()


# --- what may be told


def test_a_wrong_password_is_not_told(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ledger = SqlLedger(server.url(server.database()).replace(PASSWORD, "another-secret"))
    record(ledger, 1)
    with pytest.raises(LedgerUnavailable, match="password authentication failed") as caught:
        ledger.events()
    ledger.close()
    assert "another-secret" not in f"{caught.value} {caught.value.__cause__} {caplog.text}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://eph:{PASSWORD}@[::1/eph", "no URL of a database"),
        (PASSWORD, "no URL of a database"),
        (f"postgresql://eph:{PASSWORD}@x@host/eph", "write it as %40"),
        (f"postgresql://eph:{PASSWORD}@host:port/eph", "no URL of a database"),
        (f"mysql://eph:{PASSWORD}@host/eph", "SQLite or PostgreSQL"),
        (f"nonsense+driver://eph:{PASSWORD}@host/eph", "SQLite or PostgreSQL"),
    ],
)
def test_a_url_that_is_wrong_says_so_and_not_itself(url: str, said: str) -> None:
    with pytest.raises(databases.BadDatabaseUrl) as caught:
        SqlLedger(url)
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_password_among_the_parameters_is_not_told() -> None:
    told = databases.told(databases.parse(f"postgres://eph@host:5433/eph?password={PASSWORD}&sslmode=require"))
    assert told == "postgresql://eph@host:5433/eph"


def test_the_line_of_these_tests_does_pass_things_on(server: Server) -> None:
    with servers.line(server.port) as line, closing(SqlLedger(server.url(server.database(), line.port))) as ledger:
        assert isinstance(line, Line)
        record(ledger, 7)
        assert numbers(ledger.events()) == [7]
