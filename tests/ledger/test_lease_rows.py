"""The row of the lease: one contract on PostgreSQL and on the tests' row in memory (O2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from orchestrator.ledger.lease_rows import UNKNOWN, LeaseUnavailable, Row, Rows, SqlRows
from tests.ledger.servers import PASSWORD, Server, free_port
from tests.ledger.test_lease import Wire, World

Pair = tuple[Rows, Rows]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.real)])
def rows(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = pair(request)
    yield made
    for each in made:
        each.close()


def pair(request: pytest.FixtureRequest) -> Pair:
    if request.param == "memory":
        world = World()
        return Wire(world), Wire(world)
    server: Server = request.getfixturevalue("server")
    url = server.url(server.database())
    return SqlRows(url, "eph"), SqlRows(url, "eph")


def test_a_new_row_is_not_free(rows: Pair) -> None:
    assert rows[0].read() == rows[1].read() == Row(UNKNOWN, 0, 0)
    assert not rows[0].read().free


def test_of_two_that_saw_the_same_one_takes_it(rows: Pair) -> None:
    one, two = rows
    seen = one.read()
    assert two.read() == seen
    assert (one.take(seen, "one"), two.take(seen, "two")) == (1, 0)
    assert two.read().holder == "one"


def test_a_renewal_makes_what_was_seen_old(rows: Pair) -> None:
    one, two = rows
    one.take(one.read(), "one")
    seen = two.read()
    assert one.renew("one", 1)
    assert two.take(seen, "two") == 0
    assert two.take(two.read(), "two") == 2


def test_who_was_replaced_can_neither_renew_nor_give_back(rows: Pair) -> None:
    one, two = rows
    one.take(one.read(), "one")
    two.take(two.read(), "two")
    before = two.read()
    assert not one.renew("one", 1)
    assert not one.renew("one", 2)
    assert not one.renew("two", 1)
    one.release("one")
    assert two.read() == before


def test_what_is_given_back_is_free_and_keeps_its_epoch(rows: Pair) -> None:
    one, two = rows
    one.take(one.read(), "one")
    one.release("one")
    seen = two.read()
    assert (seen.free, seen.epoch) == (True, 1)
    assert two.take(seen, "two") == 2


@pytest.mark.real
def test_of_many_at_the_same_time_one_takes_it(server: Server) -> None:
    url = server.url(server.database())
    all_rows = [SqlRows(url, "eph") for _ in range(8)]
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
def test_leases_of_two_names_have_nothing_to_do_with_each_other(server: Server) -> None:
    url = server.url(server.database())
    one, two = SqlRows(url, "eph"), SqlRows(url, "eph-staging")
    assert (one.take(one.read(), "me"), two.take(two.read(), "me")) == (1, 1)
    one.release("me")
    assert (one.read().free, two.read().free) == (True, False)
    one.close()
    two.close()


def test_no_server_is_said_without_the_password() -> None:
    rows = SqlRows(f"postgresql://eph:{PASSWORD}@127.0.0.1:{free_port()}/eph", "eph")
    with pytest.raises(LeaseUnavailable, match=r"eph@127\.0\.0\.1.* cannot be kept: .*refused") as caught:
        rows.read()
    assert PASSWORD not in str(caught.value)
