"""What environments have cost, day by day: the port. Losing it loses the history of costs, never an environment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol

from orchestrator.core.costs.cost_reports import CostRow


class CostStoreUnavailable(Exception):
    """The costs can't be read or written right now; the message says where they are."""


class CostStore(Protocol):
    def load(self, since: date) -> list[CostRow]:
        """Rows of that day and later. Raises CostStoreUnavailable."""

    def save(self, rows: Iterable[CostRow]) -> None:
        """Replaces the rows of the same day and stack. Raises CostStoreUnavailable."""

    def close(self) -> None: ...
