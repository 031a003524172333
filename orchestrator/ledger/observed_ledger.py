"""A ledger whose events others see, too: the log and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.ledger.port import Event, Ledger

Observer = Callable[[Event], None]
"""Must not raise or block: it runs wherever an event is recorded."""


class ObservedLedger(Ledger):
    def __init__(self, ledger: Ledger, observers: Sequence[Observer]) -> None:
        self._ledger, self._observers = ledger, observers

    def record(self, event: Event) -> None:
        self._ledger.record(event)
        for observe in self._observers:
            observe(event)

    def events(self, subject: str = "", after: int = 0, limit: int = 100, newest: bool = False) -> list[Event]:
        return self._ledger.events(subject, after, limit, newest)

    def close(self) -> None:
        self._ledger.close()
