"""Our one comment on a pull request, found by its hidden marker and its author, who must be us.

After creating it, the list is read again: if two replicas, or a process before a crash, created one each, the oldest
stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from orchestrator.forges.github import parsers
from orchestrator.forges.github.http.transport import Transport
from orchestrator.forges.port import ForgeNotFound, PostedComment
from programs.kit.caches import BoundedCache

MAX_CACHED = 4096
LOCKS = 64

CommentKey = tuple[str, int, str]


class StickyComments:
    def __init__(self, transport: Transport, login: Callable[[], str]) -> None:
        self._transport, self._login = transport, login
        self._cached: BoundedCache[CommentKey, parsers.ReportComment] = BoundedCache(MAX_CACHED)
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def upsert(self, key: CommentKey, body: str) -> None:
        if key[2] not in body:
            raise ValueError("the comment's body doesn't contain its marker, so Eph couldn't find it again")
        with self._locks[hash(key) % LOCKS]:
            known = self._cached.get(key)
            if known is None or not self._edit(key, known, body):
                self._find_or_create(key, body)

    def posted(self, key: CommentKey) -> PostedComment | None:
        path, number, marker = key
        me = self._login()
        found = self._transport.listing(f"{path}/issues/{number}/comments", parsers.issue_comments).all_items()
        mine = [item for item in found if item.author == me and marker in item.body]
        oldest = min(mine, key=lambda item: item.id, default=None)
        return PostedComment(oldest.body, oldest.updated) if oldest is not None else None

    def _find_or_create(self, key: CommentKey, body: str) -> None:
        found = self._find_ours(key)
        if found and self._edit(key, found[0], body):
            self._remove(key, found[1:])
            return
        path, number, _ = key
        created = self._transport.send("POST", f"{path}/issues/{number}/comments", {"body": body})
        self._remember(key, parsers.comment(created))
        found = self._find_ours(key)
        if len(found) > 1:
            self._edit(key, found[0], body)
            self._remove(key, found[1:])

    def _edit(self, key: CommentKey, existing: parsers.ReportComment, body: str) -> bool:
        """False if it no longer exists."""
        if _same_text(existing.body, body):
            self._remember(key, existing)
            return True
        try:
            self._transport.send("PATCH", f"{key[0]}/issues/comments/{existing.id}", {"body": body})
        except ForgeNotFound:
            self._cached.pop(key)
            return False
        self._remember(key, parsers.ReportComment(existing.id, existing.author, body))
        return True

    def _find_ours(self, key: CommentKey) -> list[parsers.ReportComment]:
        """Oldest first."""
        path, number, marker = key
        me = self._login()
        found = self._transport.listing(f"{path}/issues/{number}/comments", parsers.comments).all_items()
        mine = [item for item in found if item.author == me and marker in item.body]
        return sorted(mine, key=lambda item: item.id)

    def _remove(self, key: CommentKey, others: list[parsers.ReportComment]) -> None:
        for other in others:
            try:
                self._transport.send("DELETE", f"{key[0]}/issues/comments/{other.id}")
            except ForgeNotFound:
                continue

    def _remember(self, key: CommentKey, comment: parsers.ReportComment) -> None:
        self._cached.put(key, comment)


def _same_text(one: str, other: str) -> bool:
    """GitHub stores what browsers send: different line endings, and no trailing blanks."""
    return one.replace("\r\n", "\n").rstrip() == other.replace("\r\n", "\n").rstrip()
