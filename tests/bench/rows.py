"""What a measurement says: one row with its figures, each beside its budget."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """``at_least``: more is better. ``what`` is the unit or the word before the number."""

    what: str
    value: float
    budget: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        return self.value >= self.budget if self.at_least else self.value <= self.budget

    @property
    def shown(self) -> str:
        return _number(self.value)

    @property
    def wanted(self) -> str:
        return _number(self.budget)

    def __str__(self) -> str:
        return f"{self.what} {self.shown} budget {'>=' if self.at_least else ''}{self.wanted}"


@dataclass(frozen=True, slots=True)
class Row:
    """``ours`` and ``theirs`` are the two measured things in words with their figures."""

    name: str
    figures: tuple[Figure, ...]
    ours: str
    theirs: str

    @property
    def verdict(self) -> str:
        return "ok" if all(figure.ok for figure in self.figures) else "over"

    def line(self) -> str:
        return f"bench {self.name} {', '.join(str(figure) for figure in self.figures)} {self.verdict}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def seconds(values: Sequence[float]) -> str:
    """The median, with the range that it stands for."""
    middle = f"{statistics.median(values):.2f} s"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"
