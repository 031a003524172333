"""What is known about each label: which deploys the server accepted, which it recorded, and what may end one.

The server keeps an order in memory until its stack's tag contains it. So an accepted order may be lost with a kill,
but a recorded deploy may not: it ends at its expiry, by a withdrawal, or by making room for another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stacks import keys
from stacks.model import RefKind
from tests.chaos.deploys.recorded import RecordedDeploy

JUMP_SECONDS = 2 * 3600 + 60
"""How far the clock of a run is set ahead, at most: what expires within that may be destroyed early."""


@dataclass(frozen=True, slots=True)
class Order:
    """``expires_at`` 0: the response was lost with the server, so only the commit is known."""

    commit: str
    expires_at: int

    def matches(self, found: RecordedDeploy) -> bool:
        return self.commit == found.commit and self.expires_at in (0, found.expires_at)


@dataclass(slots=True)
class Label:
    """``repository`` is its ID. ``seen`` is the newest order that was recorded and built. Orders before ``safe_from``
    may be gone, because someone destroyed the deploy, or it made room, or a fault took its tag."""

    repository: int
    name: str
    host: str = ""
    orders: list[Order] = field(default_factory=list)
    seen: int = -1
    safe_from: int = 0

    @property
    def stack(self) -> str:
        return keys.stack_name(keys.ref(self.repository, RefKind.DEPLOY, self.name))

    def observe(self, found: RecordedDeploy) -> None:
        if found.built == found.commit:
            index = self._index_of(found)
            self.seen = max(self.seen, index) if index is not None else self.seen

    def is_allowed(self, found: RecordedDeploy) -> bool:
        """Whether the tag requests what was recorded last, or an order since then."""
        index = self._index_of(found)
        return index is not None and index >= self.seen

    def may_end(self) -> None:
        self.safe_from = len(self.orders)

    def must_exist(self, now: float) -> bool:
        """It was recorded, and nothing ended it since."""
        return self.seen >= self.safe_from and self.earliest_end() > now + JUMP_SECONDS

    def may_exist(self, now: float) -> bool:
        return bool(self.orders) and self.latest_end() > now

    def earliest_end(self) -> int:
        return min(order.expires_at for order in self._current())

    def latest_end(self) -> int:
        """An order whose response was lost may end late."""
        ends = [order.expires_at for order in self._current()]
        return 2**40 if 0 in ends else max(ends)

    def _current(self) -> list[Order]:
        return self.orders[max(self.seen, 0) :]

    def _index_of(self, found: RecordedDeploy) -> int | None:
        """The newest one that it can be."""
        matching = [index for index, order in enumerate(self.orders) if order.matches(found)]
        return matching[-1] if matching else None


def makes_room(label: Label, labels: list[Label], per_app: int, now: float) -> list[Label]:
    """Which deploys the order for ``label`` may have ended: of a full app, the one nearest to expiry. A deploy can't
    be that one if another one that must exist expires earlier."""
    others = [each for each in labels if each.repository == label.repository and each is not label]
    others = [each for each in others if each.may_exist(now)]
    if len(others) < per_app:
        return []
    return [
        each
        for each in others
        if not any(
            other.must_exist(now) and other.latest_end() < each.earliest_end() for other in others if other is not each
        )
    ]
