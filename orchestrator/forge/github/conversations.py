"""What people say on pull requests, and our reactions to it.

One list for a whole repository, the newest change first and always the same address, so that as long as nobody says
anything it is answered by 304. GitHub's own ``since`` would be another address each time. Whose reactions a comment has
is asked for only where it has any, and where our last word is not known.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from orchestrator.forge.github import readings
from orchestrator.forge.github.lacks import Lacks
from orchestrator.forge.github.transport import PER_PAGE, Transport
from orchestrator.forge.port import NotThere, Reaction, Remark, Unsupported, holds

KEEP = 4096
MOST_PAGES = 5
"""Of a hundred comments each: so many within the time that counts is an attack, or a very busy day."""


class Conversations:
    def __init__(self, transport: Transport, viewer: Callable[[], str], now: Callable[[], float]) -> None:
        self._transport, self._viewer = transport, viewer
        self._settled: OrderedDict[tuple[str, int], frozenset[Reaction]] = OrderedDict()
        self._lock = threading.Lock()
        self._without = Lacks(now)

    def since(self, path: str, since: datetime, words: Collection[str], present: Callable[[], None]) -> list[Remark]:
        me = self._viewer()
        said = (item for item in self._changed(path, since, present) if holds(item.body, words))
        found = [self._remark(path, item, me) for item in said if item.created >= since]
        return sorted(found, key=lambda item: (item.created, item.id))

    def react(self, path: str, comment: int, reaction: Reaction, present: Callable[[], None]) -> None:
        url = f"{path}/issues/comments/{comment}"
        try:
            self._transport.send("POST", f"{url}/reactions", {"content": reaction.value})
        except NotThere:
            present()
            self._transport.get(url, readings.comment)
            raise Unsupported(f"{path}: this Git host has no reactions") from None
        if reaction is not Reaction.SEEN:
            self._settle((path, comment), frozenset({reaction}))

    def _changed(self, path: str, since: datetime, present: Callable[[], None]) -> Iterator[readings.Remark]:
        if path in self._without:
            raise _no_list(path)
        for page in range(1, MOST_PAGES + 1):
            url = f"{path}/issues/comments?sort=updated&direction=desc&per_page={PER_PAGE}"
            try:
                found = self._transport.get(url if page == 1 else f"{url}&page={page}", readings.remarks)
            except NotThere:
                present()
                self._without.add(path)
                raise _no_list(path) from None
            yield from (item for item in found if item.updated >= since)
            if len(found) < PER_PAGE or found[-1].updated < since:
                return

    def _remark(self, path: str, item: readings.Remark, me: str) -> Remark:
        by_program = item.bot or item.author == me or item.author.endswith("[bot]")
        ours = frozenset[Reaction]() if by_program else self._ours(path, item, me)
        return Remark(item.id, item.number, item.author, item.body, item.created, by_program, ours)

    def _ours(self, path: str, item: readings.Remark, me: str) -> frozenset[Reaction]:
        if not item.reactions:
            return frozenset()
        with self._lock:
            known = self._settled.get((path, item.id))
        if known is not None:
            return known
        url = f"{path}/issues/comments/{item.id}/reactions"
        given = self._transport.listing(url, readings.reactions).whole()
        known_words = set(Reaction)
        ours = frozenset(Reaction(word) for who, word in given if who == me and word in known_words)
        if ours - {Reaction.SEEN}:
            self._settle((path, item.id), ours)
        return ours

    def _settle(self, what: tuple[str, int], ours: frozenset[Reaction]) -> None:
        with self._lock:
            self._settled[what] = ours
            while len(self._settled) > KEEP:
                self._settled.popitem(last=False)


def _no_list(path: str) -> Unsupported:
    return Unsupported(f"{path}: this Git host does not list the comments of a repository, so chat commands do nothing")
