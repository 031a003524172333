"""Sessions that use up the shared PostgreSQL end, and everything else on it continues (S3 L7 D1), on a real server."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from programs.kit.database import environment_databases, postgres, session_guard, suspensions
from programs.kit.database.session_guard import SessionGuard
from programs.kit.database.session_usage import SessionBounds, SharedResource
from programs.kit.errors import TargetError
from programs.kit.isolation import limits
from programs.kit.processes import sandbox, supervisor
from programs.targets.local import cleanup, connectivity
from programs.targets.local.target import TARGET
from tests.targets.isolated_machine import BLOG, SHOP, Isolated, psql
from tests.targets.local_machine import database_session, wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]

MEGABYTE = 1024**2
FILL_LOCKS = "SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 200000) i"
SORT = "SELECT repeat(md5(i::text), 4) FROM generate_series(1, 150000) i ORDER BY 1"
ROOMY = SessionBounds(memory=1024**4, locks=10**9, all_locks=10**9, temporary=1024**4)


class Databases:
    """One for each of two environments."""

    def __init__(self, isolated: Isolated) -> None:
        self.here = isolated.here
        self.raw_settings = isolated.machine.raw_settings
        for name in (SHOP, BLOG):
            isolated.workspace(name)
        self.urls = {name: environment_databases.create(self.here, name, database(name)) for name in (SHOP, BLOG)}

    def session(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        return database_session(self.here, self.urls[name], autocommit=True)

    def fails(self, name: str, statement: str) -> bool:
        """Whether it, or its session, ends with an error."""
        try:
            with self.session(name) as session:
                session.execute(statement)
        except psycopg.Error:
            return True
        return False

    def events(self, name: str) -> list[str]:
        return [event.message for event in TARGET.inspect(name, self.raw_settings).events]

    def suspended(self, name: str) -> bool:
        return any(notice.suspended for notice in suspensions.list_notices(self.here, name))


def hold_sort(session: psycopg.Connection[tuple[object, ...]], memory: str) -> None:
    """Keeps a sorted result, in so much memory and the rest in a file."""
    session.execute("SELECT set_config('work_mem', %s, false)", [memory])
    session.execute("BEGIN")
    session.execute(f"DECLARE kept CURSOR FOR {SORT}")
    session.execute("FETCH 1 FROM kept")


def database(name: str) -> str:
    return f"eph_{name.replace('-', '_')}_db"


@pytest.fixture
def databases(isolated: Isolated) -> Databases:
    return Databases(isolated)


@contextlib.contextmanager
def guarding(databases: Databases, **bounds: float) -> Iterator[tuple[SessionGuard, psycopg.Connection[object]]]:
    """The test's own guard, with low bounds."""
    values = {name: getattr(ROOMY, name) for name in ROOMY.__slots__} | bounds
    with postgres.connect(databases.here) as session:
        yield SessionGuard(databases.here, SessionBounds(**values)), session


def test_full_lock_table_stops_neither_neighbours_nor_cleanup(databases: Databases) -> None:
    """One session took every lock, and no environment could be listed or removed any more."""
    with databases.session(SHOP) as hostile, databases.session(BLOG) as neighbour:
        with contextlib.suppress(psycopg.Error):
            hostile.execute(FILL_LOCKS)
        owners = {item.environment for item in environment_databases.list_owned(databases.here)}
        assert owners == {SHOP, BLOG}
        assert wait_for(lambda: not databases.fails(BLOG, "CREATE TABLE IF NOT EXISTS kept (x int)"))
        assert neighbour.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert wait_for(lambda: databases.events(SHOP) != [])
    assert databases.events(BLOG) == []
    cleanup.purge(databases.here, BLOG)
    assert {item.environment for item in environment_databases.list_owned(databases.here)} == {SHOP}


def test_repeated_attack_suspends_the_role_until_its_environment_wakes(databases: Databases) -> None:
    def attack() -> bool:
        databases.fails(SHOP, FILL_LOCKS)
        return databases.suspended(SHOP)

    assert wait_for(attack, 20)
    with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
        databases.session(SHOP)
    assert not databases.fails(BLOG, "SELECT 1")
    [message] = databases.events(SHOP)
    assert "suspended" in message

    TARGET.wake(SHOP, databases.raw_settings)
    assert not databases.fails(SHOP, "SELECT 1")
    assert databases.events(SHOP) == []


def test_advisory_locks_stay_usable(databases: Databases) -> None:
    """Rails and Flyway migrate under one."""
    with databases.session(SHOP) as session, guarding(databases, locks=100) as (guard, own):
        session.execute("SELECT pg_advisory_lock(i) FROM generate_series(1, 50) i")
        guard.round(own)
        assert session.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (50,)


def test_sessions_with_too_much_memory_end(databases: Databases) -> None:
    """Settings such as work_mem are open to every role."""
    with databases.session(SHOP) as session, databases.session(BLOG) as neighbour:
        hold_sort(session, "1GB")
        with guarding(databases, memory=24 * MEGABYTE) as (guard, own):
            guard.round(own)
        with pytest.raises(psycopg.Error):
            session.execute("SELECT 1")
        assert neighbour.execute("SELECT 1").fetchone() == (1,)
    assert [notice.resource for notice in suspensions.list_notices(databases.here, SHOP)] == [SharedResource.MEMORY]


def test_one_sessions_memory_has_a_limit(databases: Databases) -> None:
    """The server continues, and so do all other sessions."""
    with databases.session(SHOP) as session, databases.session(BLOG) as neighbour:
        with pytest.raises(psycopg.errors.OutOfMemory):
            session.execute("SELECT length(repeat('x', 600000000) || repeat('y', 400000000))")
        assert session.execute("SELECT 1").fetchone() == (1,)
        assert neighbour.execute("SELECT 1").fetchone() == (1,)


def test_sessions_with_too_many_temporary_files_end(databases: Databases) -> None:
    """PostgreSQL limits them for each process only, and they're in no database."""
    with databases.session(SHOP) as session:
        hold_sort(session, "64kB")
        with guarding(databases, temporary=8 * MEGABYTE) as (guard, own):
            guard.round(own)
        with pytest.raises(psycopg.Error):
            session.execute("FETCH 1 FROM kept")
    found = [notice.resource for notice in suspensions.list_notices(databases.here, SHOP)]
    assert found == [SharedResource.TEMPORARY_FILES]


def test_notifications_that_nobody_reads_are_removed(databases: Databases) -> None:
    """Their queue is one for all databases, and on the disk in none."""
    with contextlib.suppress(psycopg.Error), databases.session(SHOP) as session:
        session.execute("LISTEN news")
        session.execute("BEGIN")
        session.execute("SELECT 1")
        with databases.session(SHOP) as sender:
            sender.execute("SELECT pg_notify('news', repeat('x', 7000) || i) FROM generate_series(1, 200) i")
        with guarding(databases, notifications=1e-6, transaction=0) as (guard, own):
            guard.round(own)
            assert wait_for(lambda: own.execute("SELECT pg_notification_queue_usage()").fetchone() == (0.0,))
    found = [notice.resource for notice in suspensions.list_notices(databases.here, SHOP)]
    assert found == [SharedResource.NOTIFICATIONS]


def test_failed_command_says_why_its_sessions_ended(databases: Databases, isolated: Isolated) -> None:
    command = f'{psql()} "$URL" -c "{FILL_LOCKS}" -c "SELECT pg_sleep(10)"'
    url = connectivity.inside_url(databases.here, databases.urls[SHOP])
    with pytest.raises(TargetError, match="too many of PostgreSQL"):
        isolated.run(SHOP, command, URL=url)


def test_guard_without_a_session_makes_room(databases: Databases) -> None:
    """After its own restart, in the middle of an attack."""
    with databases.session(SHOP) as hostile, databases.session(BLOG):
        SessionGuard(databases.here).end_all()
        with pytest.raises(psycopg.Error):
            hostile.execute("SELECT 1")
    assert not databases.fails(BLOG, "SELECT 1")


def test_guard_starts_once_for_each_version(databases: Databases) -> None:
    before = supervisor.info(databases.here, session_guard.PROGRAM)["pid"]
    TARGET.ensure(databases.raw_settings)
    assert supervisor.info(databases.here, session_guard.PROGRAM)["pid"] == before


def test_server_has_limits(databases: Databases) -> None:
    """Of each process, and of all together if Eph can create control groups."""
    pid = supervisor.info(databases.here, postgres.PROGRAM)["pid"]
    bounds = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(rf"^Max data size +{postgres.PROCESS_MEMORY} ", bounds, re.MULTILINE)
    groups = limits.describe_server(databases.here, postgres.PROGRAM, 0).get("groups", {})
    assert len(groups) == (limits.method() != "rlimits")
    for group in groups:
        assert pid in limits.members(Path(group))
