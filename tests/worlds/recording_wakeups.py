"""Wakeups that virtual time reads instead of waiting for them."""

from __future__ import annotations

from orchestrator.runtime.wakeups import Wakeups
from stacks.model import Key


class RecordingWakeups(Wakeups):
    """Records each wake: whether the Git host must be read again."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[bool] = []

    def wake(self, refresh: bool = False, scope: Key | int | None = None, targets: bool = True) -> None:
        self.recorded.append(refresh or scope is not None)

    def take(self) -> bool | None:
        """Whether the Git host must be read again; None if there was no wake."""
        recorded, self.recorded = self.recorded, []
        return any(recorded) if recorded else None
