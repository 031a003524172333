"""What an engine offers: to each environment a place that has the shared tables' names, and nothing of other places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A table that the branch writes: its rows are copied. With ``column``, only rows with one of ``values``, or from
    ``start`` to before ``end``; either may be empty."""

    table: str
    column: str = ""
    values: tuple[str, ...] = ()
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class DataConnection:
    """How DAGs reach their environment's data. ``kind`` is Airflow's type of connection, ``extra`` its JSON. ``place``
    names the schema or the file. ``tables`` says how many are views and how many are copies."""

    kind: str
    host: str
    port: int | None
    login: str
    password: str = field(repr=False)
    database: str
    place: str
    url: str = field(repr=False)
    extra: str = ""
    views: int = 0
    copies: int = 0


class DataEngine(Protocol):
    def bind(self, environment: str, copies: Sequence[TableCopy], previous_url: str) -> DataConnection:
        """Creates or updates the environment's place. Idempotent. Rows that a branch wrote stay until the copy that
        they are in is declared differently. ``previous_url`` is reused if it still works."""

    def remove(self, environment: str) -> None:
        """Idempotent, by name. The shared tables stay as they are."""

    def list_names(self) -> frozenset[str]:
        """The environments of which anything exists."""
