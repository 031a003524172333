"""Our one comment on a pull request: found by its hidden marker and by its author, who must be us.

After making one the list is read again: when two replicas, or a life before a crash, made one each, the oldest stays.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from orchestrator.forge.github import readings
from orchestrator.forge.github.transport import Transport
from orchestrator.forge.port import NotThere

KEEP = 4096
LOCKS = 64

Place = tuple[str, int, str]
"""Where: the repository's path, the number, the marker."""


class Comments:
    def __init__(self, transport: Transport, viewer: Callable[[], str]) -> None:
        self._transport, self._viewer = transport, viewer
        self._known: OrderedDict[Place, readings.Comment] = OrderedDict()
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._guard = threading.Lock()

    def upsert(self, place: Place, body: str) -> None:
        if place[2] not in body:
            raise ValueError("the comment's body does not hold its marker, so it could never be found again")
        with self._locks[hash(place) % LOCKS]:
            known = self._known.get(place)
            if known is None or not self._edit(place, known, body):
                self._find_or_make(place, body)

    def _find_or_make(self, place: Place, body: str) -> None:
        found = self._ours(place)
        if found and self._edit(place, found[0], body):
            self._remove(place, found[1:])
            return
        path, number, _ = place
        made = self._transport.send("POST", f"{path}/issues/{number}/comments", {"body": body})
        self._remember(place, readings.comment(made))
        found = self._ours(place)
        if len(found) > 1:
            self._edit(place, found[0], body)
            self._remove(place, found[1:])

    def _edit(self, place: Place, known: readings.Comment, body: str) -> bool:
        """False: it is no longer there."""
        if _same(known.body, body):
            self._remember(place, known)
            return True
        try:
            self._transport.send("PATCH", f"{place[0]}/issues/comments/{known.id}", {"body": body})
        except NotThere:
            with self._guard:
                self._known.pop(place, None)
            return False
        self._remember(place, readings.Comment(known.id, known.author, body))
        return True

    def _ours(self, place: Place) -> list[readings.Comment]:
        """Oldest first."""
        path, number, marker = place
        me = self._viewer()
        found = self._transport.listing(f"{path}/issues/{number}/comments", readings.comments).whole()
        mine = [item for item in found if item.author == me and marker in item.body]
        return sorted(mine, key=lambda item: item.id)

    def _remove(self, place: Place, others: list[readings.Comment]) -> None:
        for other in others:
            try:
                self._transport.send("DELETE", f"{place[0]}/issues/comments/{other.id}")
            except NotThere:
                continue

    def _remember(self, place: Place, comment: readings.Comment) -> None:
        with self._guard:
            self._known[place] = comment
            self._known.move_to_end(place)
            while len(self._known) > KEEP:
                self._known.popitem(last=False)


def _same(one: str, other: str) -> bool:
    """GitHub stores what browsers send: other line ends, and no blanks at the end."""
    return one.replace("\r\n", "\n").rstrip() == other.replace("\r\n", "\n").rstrip()
