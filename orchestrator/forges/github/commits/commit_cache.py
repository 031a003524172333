"""Caches checks, our marks and files of commits, so that they are requested rarely and in batches.

A file at a commit never changes. Our marks change when we write them, so they are cached and read again only every half
hour, in case another replica wrote one. Checks change whenever CI runs: a commit that waits for them is queried each
time, and ``prefetch`` combines those queries into one for fifty commits if the host has GraphQL. Otherwise nothing is
prefetched, and each commit is queried by a conditional REST request.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from orchestrator.core.model.world import CheckState
from orchestrator.forges.github import parsers
from orchestrator.forges.github.commits import graphql
from orchestrator.forges.github.commits.commit_marks import CommitMarks
from orchestrator.forges.github.commits.file_reader import FileReader
from orchestrator.forges.github.commits.graphql import CommitData, CommitRef
from orchestrator.forges.github.http.connections import ConnectionRouter
from orchestrator.forges.github.http.rate_limiter import MonotonicClock
from orchestrator.forges.github.http.transport import Connection, TransportConfig
from orchestrator.forges.port import ForgeError, ForgeNotFound, ForgeRefused, is_mark
from programs.kit.caches import BoundedCache

log = logging.getLogger("eph.forge")

CHECKS_SECONDS = 300.0
"""Prefetched data is used once, in the cycle for which it was read, however long that takes."""
MARKS_SECONDS = 1800.0
PREFETCH_AFTER_SECONDS = 1200.0
MAX_PREFETCH_STALE = 500
"""The maximum number of marks to refresh because of their age. New commits are always read."""
NO_GRAPHQL_SECONDS = 3600.0
MAX_CACHED = 20_000
SHA = re.compile(r"[0-9a-f]{40}")
V = TypeVar("V")
Timed = tuple[float, V]


class CommitCache:
    def __init__(
        self,
        router: ConnectionRouter,
        marks: CommitMarks,
        files: FileReader,
        login: Callable[[], str],
        config: TransportConfig,
    ) -> None:
        self._router, self._mark_reader, self._files, self._login = router, marks, files, login
        self._now, self._disk_cache = MonotonicClock(config.now), config.cache
        self._lock = threading.Lock()
        self._marks: BoundedCache[tuple[str, str], Timed[Mapping[str, str]]] = BoundedCache(MAX_CACHED)
        self._checks: BoundedCache[tuple[str, str], Timed[Mapping[str, CheckState]]] = BoundedCache(MAX_CACHED)
        self._no_graphql_until: dict[str, float] = {}

    def decisions(self, path: str, sha: str, check_exists: Callable[[], None]) -> Mapping[str, str]:
        held = self._cached_marks(path, sha)
        if held is not None and held[0] + MARKS_SECONDS > self._now():
            return held[1]
        found = self._mark_reader.decisions(path, sha, check_exists)
        self._cache_marks(path, sha, found)
        return found

    def checks(self, path: str, sha: str, check_exists: Callable[[], None]) -> Mapping[str, CheckState]:
        with self._lock:
            held = self._checks.get((path, sha))
            if held is not None:
                self._checks.put((path, sha), (0.0, held[1]))
        if held is not None and held[0] + CHECKS_SECONDS > self._now():
            return held[1]
        runs = [(run.name, run.state) for run in self._mark_reader.runs(path, sha, check_exists)]
        statuses = [
            (item.context, item.state) for item in parsers.newest(self._mark_reader.statuses(path, sha, check_exists))
        ]
        return parsers.worst(pair for pair in [*runs, *statuses] if not parsers.is_ours(pair[0]))

    def invalidate(self, path: str, body: Any) -> None:
        """Something was written: the cached data of that commit is outdated."""
        named = str(body.get("head_sha") or "") if isinstance(body, dict) else ""
        for sha in {*SHA.findall(path), named} - {""}:
            for key in self._marks.drop_where(partial(_is_of_commit, sha)):
                self._disk_cache.delete(self._cache_key(*key))

    def prefetch(self, commits: Sequence[CommitRef], file: str, refresh: frozenset[CommitRef]) -> None:
        """Prefetches what few queries can read. After an error, everything is read one by one later."""
        by_line: dict[str, tuple[Connection, list[CommitRef]]] = {}
        for place in self._stale(commits, file, refresh):
            try:
                line = self._router.connection_for(f"{place.path}/")
            except ForgeError:
                continue
            by_line.setdefault(line.name, (line, []))[1].append(place)
        for line, due in by_line.values():
            for some in _chunks(due):
                if not self._query(line, some, file):
                    break

    def _stale(self, commits: Sequence[CommitRef], file: str, refresh: frozenset[CommitRef]) -> list[CommitRef]:
        now = self._now()
        new: list[CommitRef] = []
        old: list[tuple[float, CommitRef]] = []
        for place in commits:
            held = self._cached_marks(place.path, place.sha)
            is_cached = (place.path, place.sha) in self._checks and self._files.is_cached(
                place.repository, file, place.sha
            )
            if place in refresh or held is None or not is_cached:
                new.append(place)
            elif held[0] + PREFETCH_AFTER_SECONDS <= now:
                old.append((held[0], place))
        return [*new, *(place for _, place in sorted(old, key=lambda item: item[0])[:MAX_PREFETCH_STALE])]

    def _query(self, line: Connection, commits: Sequence[CommitRef], file: str) -> bool:
        """Returns whether further queries are worthwhile."""
        if self._no_graphql_until.get(line.name, 0.0) > self._now():
            return False
        try:
            data = line.query(graphql.build_query(commits, file))
            found = graphql.parse_response(data, commits)
            line.charge(graphql.query_cost(data) - 1)
        except (ForgeNotFound, ForgeRefused) as refusal:
            log.info("%s: GraphQL is not used for an hour: %s", line.name, refusal)
            self._no_graphql_until[line.name] = self._now() + NO_GRAPHQL_SECONDS
            return False
        except ForgeError as error:
            log.info("%s: %s", line.name, error)
            return False
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            log.warning("a GraphQL response that isn't from GitHub: %r", problem)
            return False
        for place, answer in found.items():
            self._store_answer(place, answer, file)
        return True

    def _store_answer(self, commit: CommitRef, answer: CommitData, file: str) -> None:
        if answer.file is not None:
            self._files.put(commit.repository, file, commit.sha, answer.file[0] if answer.file else None)
        if answer.statuses is None or answer.runs is None:
            return
        pairs = [*((run.name, run.state) for run in answer.runs),
                 *((status.context, status.state) for status in answer.statuses)]  # fmt: skip
        checks = parsers.worst(pair for pair in pairs if not parsers.is_ours(pair[0]))
        self._checks.put((commit.path, commit.sha), (self._now(), checks))
        marks = [status for status in answer.statuses if is_mark(status.context)]
        me = self._login()
        # Only the newest status of a name is returned here: someone else's status of the same name may hide ours.
        if all(status.creator == me for status in marks) and not any(is_mark(run.name) for run in answer.runs):
            descriptions = {status.context: status.description for status in marks if status.description}
            self._cache_marks(commit.path, commit.sha, descriptions)

    def _cached_marks(self, path: str, sha: str) -> Timed[Mapping[str, str]] | None:
        held = self._marks.get((path, sha))
        if held is None:
            kept = self._disk_cache.get(self._cache_key(path, sha))
            if kept is not None:
                held = (
                    min(kept.stored_at, self._now()),
                    {str(key): str(value) for key, value in json.loads(kept.body).items()},
                )
                self._marks.put((path, sha), held)
        return held

    def _cache_marks(self, path: str, sha: str, found: Mapping[str, str]) -> None:
        self._marks.put((path, sha), (self._now(), found))
        self._disk_cache.put(self._cache_key(path, sha), json.dumps(dict(found)).encode())

    def _cache_key(self, path: str, sha: str) -> str:
        return f"marks {self._router.base_url} {self._login()} {path} {sha}"


def _is_of_commit(sha: str, key: tuple[str, str]) -> bool:
    return key[1] == sha


def _chunks(commits: Sequence[CommitRef]) -> Iterator[Sequence[CommitRef]]:
    for start in range(0, len(commits), graphql.BATCH_SIZE):
        yield commits[start : start + graphql.BATCH_SIZE]
