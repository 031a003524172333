"""Records when each preview was last used, and wake requests for sleeping ones. Kept in memory, saved regularly, and
read by ephd.

A host counts as used while a request to it is open, so an idle WebSocket or a long download keeps an environment awake.
Requests that ``visit_rules`` exclude don't count. Wake requests are saved immediately, because a client is waiting.

``until`` in the file is the time up to which it is accurate. It increases with every save, even without traffic, so a
gateway that is dead or can't write makes nothing look idle. The file lists the hosts that have a route here: a host
that is new, or whose data was lost, counts as used when it was first noticed. A host that can be reached in another way
(its own Ingress) is listed only after its first request here: otherwise people might use it all day without being seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.config import file_names
from programs.kit import files

PROBE_HEADER = "X-Eph-Probe"
WAKE_WRITE_SECONDS = 0.2
"""Of many wake requests for one host, one per this period is saved immediately."""


@dataclass(slots=True)
class _Times:
    """Times in seconds since the epoch, as in the file."""

    last_used: dict[str, float] = field(default_factory=dict)
    wake_requests: dict[str, float] = field(default_factory=dict)


class TrafficLog:
    """``now`` gives seconds since the epoch."""

    def __init__(self, directory: Path, now: Callable[[], float]) -> None:
        self._path = directory / file_names.TRAFFIC
        self._routes = directory / file_names.ROUTES
        self._now = now
        self._times = _load(self._path) or _Times()
        self._open: Counter[str] = Counter()

    def request_started(self, host: str) -> None:
        self._open[host] += 1
        self._times.last_used[host] = self._now()

    def request_ended(self, host: str) -> None:
        self._times.last_used[host] = self._now()
        self._open[host] -= 1
        if self._open[host] <= 0:
            del self._open[host]

    def request_wake(self, host: str) -> bool:
        """Returns whether it should be saved immediately."""
        now, before = self._now(), self._times.wake_requests.get(host, 0.0)
        self._times.last_used[host] = now
        if before <= now < before + WAKE_WRITE_SECONDS:
            return False
        self._times.wake_requests[host] = now
        return True

    def save(self) -> None:
        """Replaces the file."""
        now, known = self._now(), self._times
        routed = {path.stem: path for path in self._routes.glob("*.json")}
        noticed = [host for host, path in routed.items() if host in known.last_used or _is_sole(path)]
        known.last_used = {host: now if host in self._open else known.last_used.get(host, now) for host in noticed}
        known.wake_requests = {host: known.wake_requests[host] for host in routed if host in known.wake_requests}
        data = {"until": now, "hosts": known.last_used, "knocks": known.wake_requests}
        files.write(self._path, json.dumps(data, sort_keys=True), mode=0o644)


def _is_sole(route: Path) -> bool:
    try:
        return json.loads(route.read_bytes()).get("sole") is not False
    except (OSError, ValueError, AttributeError):
        return False


def _load(path: Path) -> _Times | None:
    try:
        data = json.loads(path.read_bytes())
        return _Times(_times(data["hosts"]), _times(data["knocks"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _times(data: Mapping[str, Any]) -> dict[str, float]:
    return {str(host): float(at) for host, at in data.items()}
