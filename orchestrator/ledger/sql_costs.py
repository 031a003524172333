"""Costs in the ledger's database. Amounts are text, because SQLite has no decimal numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.core.costs.cost_reports import CostRow
from orchestrator.ledger import database_engine, wording
from orchestrator.ledger.cost_store import CostStoreUnavailable
from orchestrator.ledger.sql_store import SqlStore
from orchestrator.ledger.tables import COSTS, format_time

KEEP_DAYS = 400
"""A year can be compared with the one before."""
_KEY = ("day", "stack")


class SqlCosts:
    """``url`` is parsed by ``database_engine.parse``."""

    def __init__(self, url: str) -> None:
        self._store = SqlStore(
            url, lambda where, problem: CostStoreUnavailable(wording.costs_unavailable(where, problem))
        )

    def load(self, since: date) -> list[CostRow]:
        query = sa.select(COSTS).where(COSTS.c.day >= since.isoformat()).order_by(COSTS.c.day)
        with self._store.transaction() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def save(self, rows: Iterable[CostRow]) -> None:
        values = [_to_row(row) for row in rows]
        if not values:
            return
        with self._store.transaction() as connection:
            insert = postgresql.insert if connection.dialect.name == database_engine.POSTGRES else sqlite.insert
            statement = insert(COSTS)
            changed = {name: statement.excluded[name] for name in values[0] if name not in _KEY}
            connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changed), values)
            newest_day = max(date.fromisoformat(value["day"]) for value in values)
            old = (newest_day - timedelta(days=KEEP_DAYS)).isoformat()
            connection.execute(sa.delete(COSTS).where(COSTS.c.day < old))

    def close(self) -> None:
        self._store.close()


def _to_row(row: CostRow) -> dict[str, str]:
    return {
        "day": row.day.isoformat(),
        "stack": row.stack[:256],
        "until": format_time(row.until),
        "state": row.state,
        "name": row.name[:256],
        "repository": row.repository[:256],
        "target": row.target[:64],
        "owner": row.owner[:256],
        "spent": str(row.spent),
        "saved": _dump(row.saved),
        "total": str(row.total),
        "total_saved": _dump(row.total_saved),
        "rate": str(row.rate),
    }


def _from_row(row: sa.RowMapping) -> CostRow:
    return CostRow(
        day=date.fromisoformat(row["day"]),
        stack=row["stack"],
        until=datetime.fromisoformat(row["until"]),
        state=row["state"],
        name=row["name"],
        repository=row["repository"],
        target=row["target"],
        owner=row["owner"],
        spent=Decimal(row["spent"]),
        saved=_load(row["saved"]),
        total=Decimal(row["total"]),
        total_saved=_load(row["total_saved"]),
        rate=Decimal(row["rate"]),
    )


def _dump(amounts: Mapping[str, Decimal]) -> str:
    return json.dumps({name: str(amount) for name, amount in amounts.items()}, sort_keys=True)


def _load(text: str) -> dict[str, Decimal]:
    found: Mapping[str, Any] = json.loads(text)
    return {name: Decimal(amount) for name, amount in found.items()}
