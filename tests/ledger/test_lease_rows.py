"""The row of the lease: one contract on PostgreSQL and on the tests' row in memory (O2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from orchestrator.demo.free_ports import free_port
from orchestrator.ledger.lease_store import UNKNOWN_HOLDER, LeaseRow, LeaseStore, LeaseUnavailable, SqlLeaseStore
from tests.ledger.postgres_server import PASSWORD, PostgresServer
from tests.ledger.test_lease import LeaseWorld, UnreliableRows

RowsPair = tuple[LeaseStore, LeaseStore]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.real)])
def rows(request: pytest.FixtureRequest) -> Iterator[RowsPair]:
    made = create_rows(request)
    yield made
    for each in made:
        each.close()


def create_rows(request: pytest.FixtureRequest) -> RowsPair:
    if request.param == "memory":
        world = LeaseWorld()
        return UnreliableRows(world), UnreliableRows(world)
    server: PostgresServer = request.getfixturevalue("server")
    url = server.url(server.create_database())
    return SqlLeaseStore(url, "eph"), SqlLeaseStore(url, "eph")


def test_new_row_is_not_free(rows: RowsPair) -> None:
    assert rows[0].read() == rows[1].read() == LeaseRow(UNKNOWN_HOLDER, 0, 0)
    assert not rows[0].read().is_released


def test_one_of_two_with_the_same_view_takes_it(rows: RowsPair) -> None:
    one, two = rows
    seen = one.read()
    assert two.read() == seen
    assert (one.take(seen, "one"), two.take(seen, "two")) == (1, 0)
    assert two.read().holder == "one"


def test_renewal_invalidates_what_was_seen(rows: RowsPair) -> None:
    one, two = rows
    one.take(one.read(), "one")
    seen = two.read()
    assert one.renew("one", 1)
    assert two.take(seen, "two") == 0
    assert two.take(two.read(), "two") == 2


def test_replaced_holder_can_neither_renew_nor_release(rows: RowsPair) -> None:
    one, two = rows
    one.take(one.read(), "one")
    two.take(two.read(), "two")
    before = two.read()
    assert not one.renew("one", 1)
    assert not one.renew("one", 2)
    assert not one.renew("two", 1)
    one.release("one")
    assert two.read() == before


def test_released_row_is_free_and_keeps_its_epoch(rows: RowsPair) -> None:
    one, two = rows
    one.take(one.read(), "one")
    one.release("one")
    seen = two.read()
    assert (seen.is_released, seen.epoch) == (True, 1)
    assert two.take(seen, "two") == 2


@pytest.mark.real
def test_one_of_many_concurrent_candidates_takes_it(server: PostgresServer) -> None:
    url = server.url(server.create_database())
    all_rows = [SqlLeaseStore(url, "eph") for _ in range(8)]
    seen = [each.read() for each in all_rows]
    together, taken = threading.Barrier(8), list[int]()

    def take(number: int) -> None:
        together.wait()
        taken.append(all_rows[number].take(seen[number], str(number)))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in all_rows:
        each.close()
    assert sorted(taken) == [0] * 7 + [1]


@pytest.mark.real
def test_leases_of_two_names_are_independent(server: PostgresServer) -> None:
    url = server.url(server.create_database())
    one, two = SqlLeaseStore(url, "eph"), SqlLeaseStore(url, "eph-staging")
    assert (one.take(one.read(), "me"), two.take(two.read(), "me")) == (1, 1)
    one.release("me")
    assert (one.read().is_released, two.read().is_released) == (True, False)
    one.close()
    two.close()


def test_missing_server_is_reported_without_the_password() -> None:
    rows = SqlLeaseStore(f"postgresql://eph:{PASSWORD}@127.0.0.1:{free_port()}/eph", "eph")
    with pytest.raises(LeaseUnavailable, match=r"eph@127\.0\.0\.1.*refused") as caught:
        rows.read()
    assert PASSWORD not in str(caught.value)
