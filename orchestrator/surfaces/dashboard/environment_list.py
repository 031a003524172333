"""Which environments the front page shows: search, filters, order and pages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.surfaces.dashboard import html_filters

PAGE_SIZE = 50
_FAR = datetime.max.replace(tzinfo=UTC)


class Group(StrEnum):
    """Phases that people look for together."""

    READY = "ready"
    BUSY = "in progress"
    PROBLEM = "problems"
    WAITING = "waiting"
    ASLEEP = "asleep"


GROUPS: Mapping[Group, frozenset[Phase]] = {
    Group.READY: frozenset({Phase.READY}),
    Group.BUSY: frozenset({Phase.CREATING, Phase.UPDATING, Phase.STARTING, Phase.DESTROYING}),
    Group.PROBLEM: frozenset({Phase.FAILED, Phase.STALLED, Phase.REFUSED, Phase.UNHEALTHY, Phase.HELD}),
    Group.WAITING: frozenset({Phase.QUEUED, Phase.WAITING, Phase.IMAGE}),
    Group.ASLEEP: frozenset({Phase.ASLEEP}),
}


class Order(StrEnum):
    NEWEST = "newest first"
    NAME = "by name"
    EXPIRY = "by expiry"
    CHANGED = "last change first"


_ORDERS: Mapping[Order, Callable[[EnvironmentView], Any]] = {
    Order.NEWEST: html_filters.sort_key,
    Order.NAME: lambda view: (view.name, str(view.ref)),
    Order.EXPIRY: lambda view: (view.expires_at or _FAR, str(view.ref)),
    Order.CHANGED: lambda view: (-(view.since.timestamp() if view.since else 0), str(view.ref)),
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """``search`` is in the name, title, branch, author or commit. Empty values select everything."""

    search: str = ""
    repository: str = ""
    owner: str = ""
    group: Group | None = None
    order: Order = Order.NEWEST
    page: int = 1

    def link(self, **changes: object) -> str:
        """The path of the front page with some values changed; a changed filter starts at the first page."""
        fields: dict[str, Any] = {"page": 1, **changes}
        changed = replace(self, **fields)
        values = {
            "q": changed.search,
            "repository": changed.repository,
            "owner": changed.owner,
            "group": changed.group or "",
            "order": "" if changed.order is Order.NEWEST else changed.order,
            "page": "" if changed.page == 1 else changed.page,
        }
        chosen = {name: value for name, value in values.items() if value}
        return f"/?{urlencode(chosen)}" if chosen else "/"


@dataclass(frozen=True, slots=True)
class EnvironmentList:
    """``counts``: by group, of what the other filters select. ``found``: how many the whole query selects."""

    query: ListQuery
    views: tuple[EnvironmentView, ...]
    found: int
    total: int
    pages: int
    counts: Mapping[Group, int]
    repositories: tuple[str, ...]
    owners: tuple[str, ...]


def select(views: Iterable[EnvironmentView], query: ListQuery) -> EnvironmentList:
    everything = list(views)
    matching = [view for view in everything if _matches(view, query)]
    counts = {group: sum(view.phase in phases for view in matching) for group, phases in GROUPS.items()}
    found = [view for view in matching if query.group is None or view.phase in GROUPS[query.group]]
    found.sort(key=_ORDERS[query.order])
    pages = max(1, -(-len(found) // PAGE_SIZE))
    page = min(max(query.page, 1), pages)
    return EnvironmentList(
        query=replace(query, page=page),
        views=tuple(found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
        found=len(found),
        total=len(everything),
        pages=pages,
        counts=counts,
        repositories=tuple(sorted({view.repository for view in everything if view.repository})),
        owners=tuple(sorted({view.author for view in everything if view.author})),
    )


def contains_words(search: str, *texts: str) -> bool:
    """Whether each word of the search is in one of the texts, whatever its case."""
    return all(any(word in text.lower() for text in texts) for word in search.lower().split())


def _matches(view: EnvironmentView, query: ListQuery) -> bool:
    texts = (view.name, view.title, view.branch, view.author, view.commit, view.wanted_commit, view.repository)
    return (
        contains_words(query.search, *texts)
        and query.repository in ("", view.repository)
        and query.owner in ("", view.author)
    )
