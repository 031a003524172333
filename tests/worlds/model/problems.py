"""What can be wrong, in seven figures that should be zero."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("leaks", "lost", "stuck", "overlaps", "secrets", "lies", "excess")
"""leaks: something of nobody. lost: something wanted that is not there, or was taken. stuck: not as it should be though
nothing hinders it. overlaps: two at work on one. secrets: code of a stranger ran. lies: something shown or said that is
not true. excess: more than the limits allow."""


@dataclass(frozen=True, slots=True)
class Problem:
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
