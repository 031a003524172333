"""What the runtime needs of the machine around it. ``fake.py`` implements it in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from orchestrator.core.model.world import TrafficSnapshot
from orchestrator.core.planning.memory_limits import Headroom


class ManagedGateway(Protocol):
    """The gateway's process."""

    async def ensure(self) -> None:
        """Returns when the gateway responds; starts it if needed."""

    async def keep_running(self, interval: float) -> None:
        """Until cancelled."""

    def write_api_url(self, url: str) -> None:
        """Tells the gateway where the API is, if that changes: it is the leader's, or a local one beside TLS."""

    def stop(self) -> None: ...


class Traffic(Protocol):
    """Who used which environment, as the gateway records it."""

    def read(self) -> TrafficSnapshot | None:
        """None: nothing is known, so nothing counts as idle."""

    async def watch(self, wake: Callable[[], None]) -> None:
        """Until cancelled. Calls ``wake`` when someone requests an environment that is asleep."""


class Memory(Protocol):
    """What operations may use of this machine's memory."""

    def headroom(self) -> Headroom | None:
        """None: no limit."""

    async def run(self) -> None:
        """Until cancelled."""
