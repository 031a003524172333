"""The newest measurement of each row, beside the page that shows them.

Rows are measured when somebody asks for them, and the others stay what they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.rows import Figure, Row

FILE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """``loads``: of the machine before and after, one minute's average."""

    row: Row
    at: str
    loads: tuple[float, float]


def read() -> dict[str, Kept]:
    return {item["row"]["name"]: _kept(item) for item in json.loads(FILE.read_text())}


def write(measured: Iterable[Kept], order: Iterable[str]) -> list[Kept]:
    """Puts these in the place of older ones, and gives all that there are, in that order."""
    known = read() | {item.row.name: item for item in measured}
    every = [known[name] for name in order if name in known]
    FILE.write_text(json.dumps([asdict(item) for item in every], indent=1) + "\n")
    return every


def _kept(item: dict[str, dict[str, object]]) -> Kept:
    row, figures = item["row"], item["row"]["figures"]
    made = Row(**{**row, "figures": tuple(Figure(**figure) for figure in figures)})
    return Kept(made, str(item["at"]), tuple(item["loads"]))
