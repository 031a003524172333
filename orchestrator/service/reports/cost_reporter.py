"""What the service answers about costs and prices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import httpx

from orchestrator.core.costs import cost_reports
from orchestrator.core.costs.cost_reports import CostGrouping, CostReport
from orchestrator.ledger.cost_store import CostStoreUnavailable
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.costs.cost_accounts import CostAccounts
from orchestrator.runtime.costs.price_catalog import PriceCatalog, PricesNotDownloaded
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service import wording
from orchestrator.service.port import TargetPrices, TemporarilyUnavailable

TIMEOUT = 60.0
MAX_BYTES = 1024**3
"""Of one file: the largest that AWS publishes has a few hundred megabytes."""


class CostReporter:
    def __init__(
        self, cycles: Cycles, accounts: CostAccounts, catalog: PriceCatalog, journal: Journal, clock: Clock
    ) -> None:
        self._cycles, self._accounts, self._catalog = cycles, accounts, catalog
        self._journal, self._clock = journal, clock

    async def report(self, grouping: CostGrouping, covers: Callable[[str], bool]) -> CostReport:
        """Of the repositories that ``covers`` selects."""
        shown, now = self._cycles.latest, self._clock()
        try:
            rows = await self._accounts.rows(cost_reports.first_day(now))
        except CostStoreUnavailable as error:
            raise TemporarilyUnavailable(str(error)) from error
        budgets = shown.plan.budgets if shown.plan else ()
        return cost_reports.build(
            [view for view in shown.views if covers(view.repository)],
            [row for row in rows if covers(row.repository)],
            [state for state in budgets if covers(state.repository)],
            grouping,
            now,
        )

    def prices(self) -> list[TargetPrices]:
        return [TargetPrices(name, self._catalog.prices_of(name)) for name in self._catalog.targets()]

    async def refresh_prices(self, by: str) -> list[str]:
        try:
            names = await asyncio.to_thread(self._catalog.refresh, download_lines)
        except PricesNotDownloaded as error:
            raise TemporarilyUnavailable(str(error)) from error
        self._journal.record(EventKind.PRICES_REFRESHED, wording.prices_refreshed(names), actor=by)
        return names


def download_lines(url: str) -> Iterator[str]:
    """The lines of a text, without keeping all of it in memory."""
    read = 0
    with httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=False) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            read += len(line)
            if read > MAX_BYTES:
                raise ValueError(wording.price_file_too_large(url))
            yield line
