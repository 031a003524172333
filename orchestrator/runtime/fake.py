"""The machine around the runtime, in memory: no gateway, no traffic, and no limit on memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestrator.core.model.world import TrafficSnapshot
from orchestrator.core.planning.memory_limits import Headroom


class FakeGateway:
    """``api_url`` is what it was told last."""

    def __init__(self) -> None:
        self.api_url = ""

    async def ensure(self) -> None:
        return

    async def keep_running(self, interval: float) -> None:
        await asyncio.Event().wait()

    def write_api_url(self, url: str) -> None:
        self.api_url = url

    def stop(self) -> None:
        return


class FakeTraffic:
    """``snapshot`` is what it reads."""

    def __init__(self) -> None:
        self.snapshot: TrafficSnapshot | None = None

    def read(self) -> TrafficSnapshot | None:
        return self.snapshot

    async def watch(self, wake: Callable[[], None]) -> None:
        await asyncio.Event().wait()


class FakeMemory:
    """``limit`` is the headroom that it reports."""

    def __init__(self) -> None:
        self.limit: Headroom | None = None

    def headroom(self) -> Headroom | None:
        return self.limit

    async def run(self) -> None:
        await asyncio.Event().wait()
