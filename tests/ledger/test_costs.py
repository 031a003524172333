"""Costs in the ledger's database, by the same rules as in memory: O1, P10."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.core.costs.cost_reports import CostRow
from orchestrator.ledger.cost_store import CostStore, CostStoreUnavailable
from orchestrator.ledger.fake import MemoryCosts
from orchestrator.ledger.sql_costs import KEEP_DAYS, SqlCosts
from tests.ledger.postgres_server import PostgresServer

DAY = date(2026, 3, 2)
ROW = CostRow(
    day=DAY,
    stack="eph-shop-9ix/pr-42",
    until=datetime(2026, 3, 2, 12, tzinfo=UTC),
    state="awake",
    name="shop-gentle-stream-42",
    repository="acme/shop",
    target="aws",
    owner="ada",
    spent=Decimal("0.000000000001"),
    saved={"sleep": Decimal("1.10")},
    total=Decimal("123456.789"),
    total_saved={"sleep": Decimal(2), "spot": Decimal("0.5")},
    rate=Decimal("0.047375"),
)
Check = Callable[[CostStore], None]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CostStore]:
    made: CostStore = MemoryCosts() if request.param == "memory" else SqlCosts(f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


def keeps_rows_as_they_are(store: CostStore) -> None:
    store.save([])
    store.save([ROW])
    assert store.load(DAY) == [ROW]
    later = replace(ROW, spent=Decimal(3), state="asleep")
    store.save([later, replace(ROW, stack="eph-shop-9ix/pr-7")])
    found = {row.stack: row for row in store.load(DAY)}
    assert found["eph-shop-9ix/pr-42"] == later, "a row of the same day and stack is replaced"
    assert len(found) == 2
    assert store.load(DAY + timedelta(days=1)) == []


def test_rows_come_back_as_they_were(store: CostStore) -> None:
    keeps_rows_as_they_are(store)


def test_rows_come_back_as_they_were_from_postgresql(server: PostgresServer) -> None:
    store = SqlCosts(server.url(server.create_database()))
    keeps_rows_as_they_are(store)
    store.close()


def test_old_rows_are_removed(tmp_path: Path) -> None:
    store = SqlCosts(f"sqlite:///{tmp_path}/ledger.db")
    store.save([replace(ROW, day=DAY - timedelta(days=KEEP_DAYS + 1))])
    store.save([ROW])
    assert [row.day for row in store.load(date(2020, 1, 1))] == [DAY]
    store.close()


def test_database_that_is_down_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    store = SqlCosts(f"sqlite:///{tmp_path}/ledger.db")
    for use in (lambda: store.load(DAY), lambda: store.save([ROW])):
        with pytest.raises(CostStoreUnavailable):
            use()
    store.close()
