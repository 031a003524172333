"""Comments on pull requests, and our reactions to them.

One list per repository, newest change first and always with the same URL, so that it is answered by 304 as long as
there are no new comments. GitHub's ``since`` parameter would change the URL each time. A comment's reactions are
requested only if it has any and ours isn't known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http.transport import PER_PAGE, Transport
from orchestrator.forges.github.http.unsupported_cache import UnsupportedCache
from orchestrator.forges.port import ChatComment, ForgeNotFound, ForgeUnsupported, Reaction, mentions
from programs.kit.caches import BoundedCache

MAX_CACHED = 4096
MAX_COMMENT_PAGES = 5
"""Of a hundred comments each: more within the relevant time is an attack, or a very busy day."""


class ChatComments:
    def __init__(self, transport: Transport, login: Callable[[], str], now: Callable[[], float]) -> None:
        self._transport, self._login = transport, login
        self._final_reactions: BoundedCache[tuple[str, int], frozenset[Reaction]] = BoundedCache(MAX_CACHED)
        self._unsupported = UnsupportedCache(now)

    def since(
        self, path: str, since: datetime, keywords: Collection[str], check_exists: Callable[[], None]
    ) -> list[ChatComment]:
        me = self._login()
        mentioning = (item for item in self._updated_since(path, since, check_exists) if mentions(item.body, keywords))
        found = [self._chat_comment(path, item, me) for item in mentioning if item.created >= since]
        return sorted(found, key=lambda item: (item.created, item.id))

    def react(self, path: str, comment: int, reaction: Reaction, check_exists: Callable[[], None]) -> None:
        url = f"{path}/issues/comments/{comment}"
        try:
            self._transport.send("POST", f"{url}/reactions", {"content": reaction.value})
        except ForgeNotFound:
            check_exists()
            self._transport.get(url, parsers.comment)
            raise ForgeUnsupported(wording.no_reactions(path)) from None
        if reaction is not Reaction.SEEN:
            self._remember_reactions((path, comment), frozenset({reaction}))

    def _updated_since(
        self, path: str, since: datetime, check_exists: Callable[[], None]
    ) -> Iterator[parsers.IssueComment]:
        if path in self._unsupported:
            raise _cannot_list(path)
        for page in range(1, MAX_COMMENT_PAGES + 1):
            url = f"{path}/issues/comments?sort=updated&direction=desc&per_page={PER_PAGE}"
            try:
                found = self._transport.get(url if page == 1 else f"{url}&page={page}", parsers.issue_comments)
            except ForgeNotFound:
                check_exists()
                self._unsupported.add(path)
                raise _cannot_list(path) from None
            yield from (item for item in found if item.updated >= since)
            if len(found) < PER_PAGE or found[-1].updated < since:
                return

    def _chat_comment(self, path: str, item: parsers.IssueComment, login: str) -> ChatComment:
        by_program = item.by_bot or item.author == login or item.author.endswith("[bot]")
        ours = frozenset[Reaction]() if by_program else self._our_reactions(path, item, login)
        return ChatComment(item.id, item.number, item.author, item.body, item.created, by_program, ours)

    def _our_reactions(self, path: str, item: parsers.IssueComment, login: str) -> frozenset[Reaction]:
        if not item.reactions:
            return frozenset()
        known = self._final_reactions.get((path, item.id))
        if known is not None:
            return known
        url = f"{path}/issues/comments/{item.id}/reactions"
        given = self._transport.listing(url, parsers.reactions).all_items()
        known_words = set(Reaction)
        ours = frozenset(Reaction(word) for user, word in given if user == login and word in known_words)
        if ours - {Reaction.SEEN}:
            self._remember_reactions((path, item.id), ours)
        return ours

    def _remember_reactions(self, key: tuple[str, int], reactions: frozenset[Reaction]) -> None:
        self._final_reactions.put(key, reactions)


def _cannot_list(path: str) -> ForgeUnsupported:
    return ForgeUnsupported(wording.no_comment_list(path))
