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
        """Sets the API's URL for the gateway when it changes: the leader's, or a loopback address if ``listen`` has
        TLS."""

    def stop(self) -> None: ...


class Traffic(Protocol):
    """When each environment was last used, as the gateway records it."""

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
