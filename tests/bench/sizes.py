"""How much each row does: enough to judge a budget, or just enough to know that the row still works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """``pairs``: how often both sides of a comparison are measured, after ``warm_ups`` that don't count. ``settle``:
    seconds for the warm interpreters to be replaced before what is measured. ``cold``: requests at the same moment to a
    preview that sleeps. ``repositories`` with so many ``pulls`` each are looked at ``looks`` times, then ``pushes``
    times."""

    pairs: int
    warm_ups: int
    settle: float
    many: int
    cold: int
    stacks: int
    planned: int
    repositories: int
    pulls: int
    looks: int
    pushes: int
    database_rows: int
    packages: int

    @property
    def turns(self) -> int:
        return self.warm_ups + self.pairs


FULL = Size(
    pairs=5, warm_ups=1, settle=3, many=20, cold=200, stacks=1000, planned=10_000,
    repositories=100, pulls=20, looks=120, pushes=20, database_rows=950_000,
    packages=20,
)  # fmt: skip
SMALL = Size(
    pairs=1, warm_ups=0, settle=0, many=2, cold=20, stacks=20, planned=400,
    repositories=4, pulls=3, looks=4, pushes=2, database_rows=20_000,
    packages=3,
)  # fmt: skip
