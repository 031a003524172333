"""What a page shows of a running operation: its steps, and the last lines that it printed. ephd writes the file.

All of it is untrusted text, which the page's template escapes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config import file_names
from orchestrator.gateway import wording

MAX_AGE = 60.0
"""ephd rewrites the file while something runs. While ephd is down, it is out of date."""
_STATES = frozenset({"running", "succeeded", "failed", "interrupted"})


@dataclass(frozen=True, slots=True)
class ShownStep:
    """``seconds``: how long it took, or has been running."""

    name: str
    state: str
    seconds: float

    @property
    def duration(self) -> str:
        return wording.duration(self.seconds)


@dataclass(frozen=True, slots=True)
class OperationOutput:
    """``printed``: the step that printed ``lines``."""

    steps: tuple[ShownStep, ...] = ()
    printed: str = ""
    lines: tuple[str, ...] = ()


NOTHING = OperationOutput()


@dataclass(frozen=True, slots=True)
class OutputFile:
    """``directory``: the gateway's. ``now``: seconds since the epoch."""

    directory: Path
    now: Callable[[], float] = time.time

    def read(self, environment: str) -> OperationOutput:
        """Nothing if no operation on the environment runs. The file exists only while one does."""
        try:
            data = json.loads((self.directory / file_names.OPERATION_OUTPUT).read_bytes())
            if not 0 <= self.now() - float(data["written_at"]) + 1 <= MAX_AGE:
                return NOTHING
            found = data["environments"].get(environment)
            return NOTHING if found is None else self._parse(found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return NOTHING

    def _parse(self, found: Mapping[str, Any]) -> OperationOutput:
        shown = [self._step(item) for item in found["steps"]]
        return OperationOutput(tuple(shown), str(found["printed"]), tuple(map(str, found["lines"])))

    def _step(self, item: Mapping[str, Any]) -> ShownStep:
        state = item["state"] if item["state"] in _STATES else "interrupted"
        taken = self.now() - float(item["started_at"]) if item["seconds"] is None else float(item["seconds"])
        return ShownStep(str(item["step"]), state, max(0.0, taken) if math.isfinite(taken) else 0.0)
