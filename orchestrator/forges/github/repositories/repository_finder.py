"""Finds the repositories to serve, by name or by pattern, and what is wrong with the others.

Known repositories change rarely: names are checked again in turn, a few in each cycle (``pulls`` notices by itself if a
name now leads elsewhere), and the lists of accessible repositories every few minutes. New repositories and those with
problems are checked in every cycle. A known repository that can't be read right now stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http.connections import ConnectionProvider
from orchestrator.forges.github.http.rate_limiter import MonotonicClock
from orchestrator.forges.github.http.transport import Connection
from orchestrator.forges.github.parsers import ListedRepository
from orchestrator.forges.github.repositories.selection import Selection
from orchestrator.forges.port import ForgeError, ForgeNotFound, ForgeRefused, Repository

AT_ONCE = 8
MIN_PER_POLL = 5
POLLS_PER_ROUND = 60
"""Each name is checked again within this many cycles: half an hour. The response uses quota after every push."""


@dataclass(frozen=True, slots=True)
class CachedListing:
    fetched_at: float
    repositories: tuple[ListedRepository, ...]


class RepositoryFinder:
    """``discovery_seconds``: how long a list of accessible repositories is used."""

    def __init__(
        self,
        selection: Selection,
        connections: ConnectionProvider,
        now: Callable[[], float],
        discovery_seconds: float,
    ) -> None:
        self._selection, self._connections, self._now = selection, connections, MonotonicClock(now)
        self._discovery_seconds = discovery_seconds
        self._lock = threading.Lock()
        self._known: dict[str, ListedRepository] = {}
        self._last_poll: dict[str, int] = {}
        self._poll = 0
        self._listings: dict[str, CachedListing] = {}
        self._served_ids: set[int] = set()
        self._problems: dict[str, str] = {}
        self._notes: dict[str, str] = {}

    def problems(self) -> Mapping[str, str]:
        with self._lock:
            return {**self._notes, **self._problems}

    def known(self) -> list[Repository]:
        with self._lock:
            return [item.repository for item in self._all()]

    def is_archived(self, repository: int) -> bool:
        with self._lock:
            return any(item.repository.id == repository and item.is_archived for item in self._all())

    def find(self) -> list[Repository]:
        failed = self._refresh_connections()
        names = self._due()
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            failed += [error for error in pool.map(self._look_up, names) if error is not None]
            failed += [error for error in pool.map(self._list, self._owners()) if error is not None]
        with self._lock:
            found = self._select()
        if failed and not found:
            raise failed[0]
        return found

    def _refresh_connections(self) -> list[ForgeError]:
        try:
            self._connections.refresh()
        except ForgeError as error:
            self._set_problem("the installations", str(error))
            return [error]
        self._set_problem("the installations", "")
        return []

    def _due(self) -> list[str]:
        """New ones, those with problems, and the few that were checked longest ago."""
        with self._lock:
            self._poll += 1
            names = sorted(self._selection.names, key=lambda name: self._last_poll.get(name, -1))
            some = max(MIN_PER_POLL, -(-len(names) // POLLS_PER_ROUND))
            pressing = [name for name in names if name not in self._known or name in self._problems]
            due = list(dict.fromkeys([*pressing, *names[:some]]))
            self._last_poll.update(dict.fromkeys(due, self._poll))
            return due

    def _look_up(self, name: str) -> ForgeError | None:
        try:
            found = self._connections.connection(name.partition("/")[0]).get(
                f"/repos/{name}", parsers.listed_repository
            )
        except ForgeNotFound:
            error: ForgeError = ForgeRefused(wording.not_accessible(name))
        except ForgeError as problem:
            error = problem
        else:
            with self._lock:
                self._known[name] = found
            self._set_problem(name, "")
            return None
        self._set_problem(name, str(error))
        return error

    def _owners(self) -> list[str]:
        """The connections whose repositories to list; for an App, each owner with a pattern."""
        if not self._selection.patterns:
            return []
        lines = self._connections.connections()
        if "*" in lines:
            return ["*"]
        wanted = {item.partition("/")[0].lower(): item.partition("/")[0] for item in self._selection.patterns}
        return sorted(wanted.values())

    def _list(self, owner: str) -> ForgeError | None:
        with self._lock:
            held = self._listings.get(owner)
        if held is not None and held.fetched_at + self._discovery_seconds > self._now():
            return None
        name = "/user/repos" if owner == "*" else f"{owner}/*"
        try:
            line: Connection = self._connections.connection(owner)
            found = line.listing(self._connections.repositories_path, parsers.listed_repositories).all_items()
        except ForgeError as error:
            self._set_problem(name, str(error))
            return error
        with self._lock:
            self._listings[owner] = CachedListing(self._now(), tuple(found))
        self._set_problem(name, "")
        return None

    def _all(self) -> list[ListedRepository]:
        shown = [item for entry in self._listings.values() for item in entry.repositories]
        return [*(self._known[name] for name in self._selection.names if name in self._known),
                *(item for item in shown if self._selection.matching(item.repository.full_name))]  # fmt: skip

    def _select(self) -> list[Repository]:
        """Archived repositories are left out unless they were served before: their environments must be destroyed
        first."""
        chosen: dict[int, Repository] = {}
        self._notes = {}
        for item in self._all():
            name, number = item.repository.full_name, item.repository.id
            if item.is_archived:
                self._notes[name] = wording.archived(name)
            if not item.is_archived or number in self._served_ids:
                chosen.setdefault(number, item.repository)
        for pattern in self._selection.patterns:
            owner = pattern.partition("/")[0]
            listed = "*" in self._listings or owner in self._listings
            if listed and not any(self._selection.matching(item.full_name) == pattern for item in chosen.values()):
                self._notes[pattern] = wording.nothing_matches(pattern)
        self._served_ids |= chosen.keys()
        return list(chosen.values())

    def _set_problem(self, name: str, problem: str) -> None:
        with self._lock:
            if problem:
                self._problems[name] = problem
            else:
                self._problems.pop(name, None)
