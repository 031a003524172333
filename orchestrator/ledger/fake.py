"""The event log in memory, for tests and for a service without a database, and a lease that tests control."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date

from orchestrator.core.costs.cost_reports import CostRow
from orchestrator.ledger.cost_store import CostStoreUnavailable
from orchestrator.ledger.port import Event


class MemoryLedger:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []

    def record(self, event: Event) -> None:
        with self._lock:
            self._events.append(replace(event, id=len(self._events) + 1))

    def events(self, subject: str = "", after: int = 0, limit: int = 100, newest: bool = False) -> list[Event]:
        with self._lock:
            found = [event for event in self._events if event.id > after and subject in ("", event.subject)]
        limit = max(limit, 0)
        return found[max(len(found) - limit, 0) :] if newest else found[:limit]

    def close(self) -> None:
        """Nothing to give back."""


class MemoryCosts:
    """``available``: False simulates a database that is down."""

    def __init__(self) -> None:
        self.rows: dict[tuple[date, str], CostRow] = {}
        self.available = True

    def load(self, since: date) -> list[CostRow]:
        self._check()
        return [row for row in self.rows.values() if row.day >= since]

    def save(self, rows: Iterable[CostRow]) -> None:
        self._check()
        self.rows |= {(row.day, row.stack): row for row in rows}

    def close(self) -> None:
        """Nothing to give back."""

    def _check(self) -> None:
        if not self.available:
            raise CostStoreUnavailable("the database is down")


class FakeLease:
    """Leads if a test says so. ``on_confirm`` is called before each response to ``confirm``."""

    def __init__(self, leads: bool = False) -> None:
        self._listeners: list[Callable[[bool], None]] = []
        self.epoch = int(leads)
        self.leader = ""
        self._leads = leads
        self.on_confirm: Callable[[], None] = lambda: None

    def subscribe(self, on_change: Callable[[bool], None]) -> None:
        self._listeners.append(on_change)

    def set_leading(self, leads: bool) -> None:
        self.epoch += leads and not self._leads
        self._leads = leads
        for on_change in self._listeners:
            on_change(leads)

    def leads(self) -> bool:
        return self._leads

    @property
    def until(self) -> float:
        return float("inf") if self._leads else float("-inf")

    async def confirm(self) -> bool:
        self.on_confirm()
        return self._leads

    async def run(self) -> None:
        await asyncio.Event().wait()
