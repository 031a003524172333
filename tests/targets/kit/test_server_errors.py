"""The administrator's own operations outlast a neighbour's attack on the shared server (S3 L7)."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import conninfo, errors

from programs.kit.database import postgres, server_errors
from programs.kit.database.server_errors import ServerExhausted
from programs.kit.errors import TargetError
from programs.kit.waiting import WaitClock


class VirtualTime:
    def __init__(self) -> None:
        self.now = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    @property
    def clock(self) -> WaitClock:
        return WaitClock(lambda: self.now, self.pause)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.OutOfMemory("out of shared memory"), True),
        (errors.TooManyConnections("sorry"), True),
        (psycopg.OperationalError("connection failed: FATAL:  out of shared memory\nHINT: …"), True),
        (psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already"), True),
        (psycopg.OperationalError("connection failed: FATAL:  remaining connection slots are reserved"), True),
        (psycopg.OperationalError("connection failed: Connection refused"), False),
        (errors.DuplicateDatabase("a table named 'out of shared memory'"), False),
    ],
)
def test_exhausted_server_is_recognized(error: psycopg.Error, expected: bool) -> None:
    assert server_errors.is_exhausted(error) is expected
    assert isinstance(server_errors.translate(error), ServerExhausted) is expected


def test_operation_is_repeated_until_the_server_has_room() -> None:
    time, attempts = VirtualTime(), []

    def operation() -> str:
        attempts.append(time.now)
        if time.now < 5:
            raise ServerExhausted("full")
        return "done"

    assert server_errors.retried(operation, time.clock)() == "done"
    assert len(attempts) > 2


def test_operation_gives_up_after_a_limited_time() -> None:
    time = VirtualTime()

    def operation() -> None:
        raise ServerExhausted("full")

    with pytest.raises(ServerExhausted):
        server_errors.retried(operation, time.clock)()
    assert server_errors.SECONDS < time.now < 2 * server_errors.SECONDS


def test_other_errors_are_not_repeated() -> None:
    time = VirtualTime()

    def operation() -> None:
        raise TargetError("no such role")

    with pytest.raises(TargetError, match="no such role"):
        server_errors.retried(operation, time.clock)()
    assert time.now == 0


@pytest.mark.parametrize(
    ("url", "required"),
    [
        ("postgresql://admin:pw@db.test/x", "scram-sha-256"),
        ("postgresql://admin:pw@db.test/x?require_auth=password", "password"),
        ("postgresql://admin:pw@db.test/x?require_auth=", ""),
        ("postgresql://admin@db.test/x?sslcert=/client.crt", None),
        ("host=/run/postgresql user=admin", None),
    ],
)
def test_password_is_not_sent_to_an_operators_server_unless_the_url_allows_it(url: str, required: str | None) -> None:
    """S3: whoever answers in its place must not learn the administrator's password."""
    where = conninfo.conninfo_to_dict(postgres._operators_server(url, "other"))
    assert (where["dbname"], where.get("require_auth")) == ("other", required)
