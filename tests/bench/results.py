"""The newest measurement of each row, beside the page that shows them.

Rows are measured when somebody asks for them, and the others stay what they were. A row whose measurement failed loses
its older figures: they say nothing of the version that it failed on.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.rows import Figure, Row

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "reference" / "benchmarks.json"
PAGES = ["docs/reference/benchmarks.json", "docs/reference/benchmarks.md"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """``row`` is None when it was not measured, and ``error`` says why. ``commit``: Eph's version, empty for a row
    that was never tried. ``loads``: of the machine before and after, one minute's average."""

    name: str
    row: Row | None = None
    commit: str = ""
    at: str = ""
    loads: tuple[float, ...] = ()
    error: str = ""


def version() -> str:
    """The git commit of this clone, marked when there are changes beside it; empty where git cannot tell."""
    commit = _git("rev-parse", "--short=10", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in PAGES))
    return f"{commit} with changes" if commit and changes else commit


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def read() -> dict[str, Measurement]:
    return {item["name"]: _from_json(item) for item in json.loads(FILE.read_text())}


def write(measured: Iterable[Measurement], order: Iterable[str]) -> list[Measurement]:
    """Puts these in the place of older ones, and gives one for each name, in that order."""
    known = read() | {item.name: item for item in measured}
    every = [known.get(name, Measurement(name)) for name in order]
    FILE.write_text(json.dumps([asdict(item) for item in every], indent=1) + "\n")
    return every


def _from_json(item: dict[str, Any]) -> Measurement:
    row = item["row"]
    if row is not None:
        row = Row(**{**row, "figures": tuple(Figure(**figure) for figure in row["figures"])})
    return Measurement(**{**item, "row": row, "loads": tuple(item["loads"])})
