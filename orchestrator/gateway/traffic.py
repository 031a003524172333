"""When each preview was last used: kept in memory, written now and then, read by the idle clock.

A host counts as used while a request to it is open, so a quiet WebSocket or a long download keeps an environment
awake. ephd's own health checks carry ``PROBE`` and do not count.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

PROBE = "X-Eph-Probe"


class Traffic:
    """``now`` gives seconds since the epoch; times in the file are such, too."""

    def __init__(self, directory: Path, now: Callable[[], float]) -> None:
        self._path = directory / "traffic.json"
        self._routes = directory / "routes"
        self._now = now
        self._seen = _load(self._path)
        self._open: Counter[str] = Counter()
        self._dirty = False

    def begin(self, host: str) -> None:
        self._open[host] += 1
        self._seen[host] = self._now()
        self._dirty = True

    def end(self, host: str) -> None:
        self._seen[host] = self._now()
        self._open[host] -= 1
        if self._open[host] <= 0:
            del self._open[host]
        self._dirty = True

    def save(self) -> None:
        """Writes the file whole, and only when something changed; forgets hosts that have no route any more."""
        for host in self._open:
            self._seen[host] = self._now()
        if not (self._dirty or self._open):
            return
        self._seen = {host: at for host, at in self._seen.items() if (self._routes / f"{host}.json").exists()}
        text = json.dumps({"hosts": {host: round(at, 3) for host, at in sorted(self._seen.items())}})
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(self._path)
        self._dirty = False


def _load(path: Path) -> dict[str, float]:
    try:
        data = json.loads(path.read_bytes())
        return {str(host): float(at) for host, at in data["hosts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
