"""The event log as a protocol, and one event as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Event:
    """``kind`` is a dotted word from docs/reference/events.md, ``subject`` a stack as ``project/stack``, or empty. The
    store assigns ``id``, which increases."""

    kind: str
    at: datetime
    subject: str = ""
    message: str = ""
    actor: str = "eph"
    data: Mapping[str, str] = field(default_factory=dict)
    id: int = 0


class Ledger(Protocol):
    def record(self, event: Event) -> None:
        """Appends an event. Never raises: if the store is down, the gap is recorded once it is back."""

    def events(self, subject: str = "", after: int = 0, limit: int = 100, newest: bool = False) -> list[Event]:
        """Events with an ID above ``after``, oldest first. With ``newest``, the last ``limit`` of them instead."""

    def close(self) -> None: ...
