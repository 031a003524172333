"""Reads the gateway's traffic file, and watches it for requests to sleeping environments.

The gateway is another process, possibly of another version of Eph. If the file is unreadable, traffic is unknown, and
no environment counts as idle. People are waiting for a sleeping environment, so a new request wakes the loop as soon as
the kernel reports it. For a gateway on another machine, the file is also checked a hundred times a second (one
``stat``). The next cycle finds requests that were missed.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.config import file_names
from orchestrator.core.model.world import TrafficSnapshot
from programs.kit.folder_watch import FolderWatch

log = logging.getLogger("eph.visits")

POLL_INTERVAL = 0.01
Signature = tuple[int, int, int]


class TrafficFile:
    """``read`` is for observation; ``watch`` runs in its own task."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / file_names.TRAFFIC
        self._known: tuple[Signature | None, TrafficSnapshot | None] = (None, None)

    def read(self) -> TrafficSnapshot | None:
        """The content of the file; None if it is missing or unreadable."""
        seen = self._signature()
        if seen is None or seen != self._known[0]:
            self._known = (seen, _load(self._path) if seen is not None else None)
        return self._known[1]

    async def watch(self, wake: Callable[[], None]) -> None:
        """Run until cancelled."""
        heard = _wake_requests(self.read())
        with FolderWatch(self._path.parent) as folder:
            while True:
                await folder.wait(POLL_INTERVAL)
                now = _wake_requests(self.read())
                if any(at > heard.get(host, at.min.replace(tzinfo=UTC)) for host, at in now.items()):
                    wake()
                heard = now

    def _signature(self) -> Signature | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a hundred times a second
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _wake_requests(traffic: TrafficSnapshot | None) -> Mapping[str, datetime]:
    return traffic.wake_requests if traffic is not None else {}


def _load(path: Path) -> TrafficSnapshot | None:
    try:
        data = json.loads(path.read_bytes())
        return TrafficSnapshot(_as_datetime(data["until"]), _times(data["hosts"]), _times(data["knocks"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        log.warning("can't read %s (%s): no environment counts as idle", path, error)
        return None


def _times(data: Mapping[str, Any]) -> dict[str, datetime]:
    return {str(host): _as_datetime(at) for host, at in data.items()}


def _as_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
