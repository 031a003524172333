"""Reads the desired state from all sources, completely or marked as incomplete; one repository's failure doesn't
affect the others.

While a repository can't be read, the last known state of its existing environments still counts, marked as incomplete:
they are monitored and repaired, but never destroyed. A pull request whose file crashes our own code affects only
itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from orchestrator.core.model.world import EnvironmentRequest, RecipeError, RepositoryFacts
from orchestrator.forges.port import Forge, ForgeError, Repository
from orchestrator.runtime import wording
from orchestrator.runtime.wakeups import UNLIMITED, RefreshScope
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.port import Candidate, ExistingStacks, Source, SourceListing, by_kind
from stacks import keys
from stacks.model import Key, RefKind

log = logging.getLogger("eph.forge")

MAX_CONCURRENT = 8
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ForgeSnapshot:
    """``problems`` are sentences about what couldn't be read or is skipped."""

    facts: Mapping[int, RepositoryFacts] = field(default_factory=dict)
    repositories: Mapping[int, Repository] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the sources listed in one repository."""

    repository: Repository
    listings: tuple[tuple[Source, SourceListing], ...]

    @property
    def candidates(self) -> list[Candidate]:
        return [candidate for _, listing in self.listings for candidate in listing.candidates]


class _Unchecked(Enum):
    """For a candidate that couldn't be read and has no known environment. Its stack may be found before the next read,
    so the missing request doesn't prove that it isn't requested."""

    UNCHECKED = "unchecked"


_UNCHECKED = _Unchecked.UNCHECKED


class ForgeReader:
    """A kind of key that no source reads is never complete, so nothing of that kind is destroyed."""

    def __init__(self, forge: Forge, sources: Sequence[Source], commits: CommitFacts) -> None:
        self._forge = forge
        self._sources = tuple(sources)
        self._commits = commits
        covered = by_kind(sources)
        self._uncovered = {kind: wording.problems.NO_SOURCE for kind in RefKind if kind not in covered}
        self._notes: dict[int, tuple[str, ...]] = {}
        self._repositories: Mapping[int, Repository] = {}
        self._last_facts: Mapping[int, RepositoryFacts] = {}
        self._snapshot = ForgeSnapshot()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def read(self, existing: ExistingStacks, scope: RefreshScope = UNLIMITED) -> ForgeSnapshot:
        """``existing`` environments keep their names. ``scope`` is what changed; for everything else, the last read
        still counts."""
        changed = {key.repository if isinstance(key, Key) else key for key in scope}
        self._snapshot = await (self._read_some(existing, changed) if scope else self._read_all(existing))
        return self._snapshot

    async def _read_some(self, existing: ExistingStacks, changed: set[int]) -> ForgeSnapshot:
        """An unknown repository isn't ours, or it is new: the next full read will find it."""
        asked = [item for item in self._repositories.values() if item.id in changed]
        for item in asked:
            self._commits.invalidate(item.id)
        found = {item.id: item for item in await self._read_repositories(asked, existing, changed)}
        self._last_facts = {**self._last_facts, **found}
        return replace(self._snapshot, facts={**self._snapshot.facts, **found})

    async def _read_all(self, existing: ExistingStacks) -> ForgeSnapshot:
        try:
            listed = await asyncio.to_thread(self._forge.repositories)
        except ForgeError as error:
            # Nothing is known of any repository: those of the last reading are incomplete, and nothing is destroyed.
            facts = {item.id: self._unreadable(item, str(error), existing) for item in self._repositories.values()}
            return ForgeSnapshot(facts, self._repositories, (wording.problems.repositories_not_listed(error),))
        self._repositories = {item.id: item for item in listed}
        found = await self._read_repositories(listed, existing)
        self._last_facts = {item.id: item for item in found}
        notes = [note for item in listed for note in self._notes.get(item.id, ())]
        return ForgeSnapshot(self._last_facts, self._repositories, (*self._forge.problems().values(), *notes))

    async def _read_repositories(
        self, repositories: Sequence[Repository], existing: ExistingStacks, changed: Collection[int] = ()
    ) -> list[RepositoryFacts]:
        """Read all lists first, then the commits; in one request if the host supports it."""
        listed = await asyncio.gather(*(self._list(item, existing) for item in repositories))
        readable = [item for item in listed if isinstance(item, _Listed)]
        await asyncio.to_thread(self._commits.prefetch, _to_prefetch(readable), changed)
        return await asyncio.gather(
            *(
                self._read_requests(found, existing) if isinstance(found, _Listed) else _as_coroutine(found)
                for found in listed
            )
        )

    async def _list(self, repository: Repository, existing: ExistingStacks) -> _Listed | RepositoryFacts:
        """One source after the other: once one can't be read, the others need not be asked."""
        try:
            return await self._in_thread(
                lambda: _Listed(
                    repository, tuple((source, source.list_open(repository, existing)) for source in self._sources)
                )
            )
        except ForgeError as error:
            return self._unreadable(repository, str(error), existing)
        except Exception as error:
            log.exception("%s could not be read", repository.full_name)
            return self._unreadable(repository, f"{type(error).__name__}: {error}", existing)

    async def _read_requests(self, listed: _Listed, existing: ExistingStacks) -> RepositoryFacts:
        repository = listed.repository
        try:
            requests = await asyncio.gather(
                *(self._request(repository, candidate, existing) for candidate in listed.candidates)
            )
        except Exception as error:
            log.exception("%s could not be read", repository.full_name)
            return self._unreadable(repository, f"{type(error).__name__}: {error}", existing)
        self._notes[repository.id] = tuple(listing.note for _, listing in listed.listings if listing.note)
        facts = self._facts(listed, dict(zip((each.key for each in listed.candidates), requests, strict=True)))
        return facts if facts.complete and not facts.incomplete_kinds else self._merge_last(facts, existing)

    async def _request(
        self, repository: Repository, candidate: Candidate, existing: ExistingStacks
    ) -> EnvironmentRequest | _Unchecked | None:
        try:
            return await self._in_thread(candidate.read)
        except Exception as error:
            log.exception("%s of %s could not be checked", keys.stack_name(candidate.key), repository.full_name)
            problem = wording.problems.commit_not_checked(error)
            unreadable = RecipeError((problem,), frozenset(), transient=True)
            return candidate.unreadable(unreadable) if candidate.key in existing else _UNCHECKED

    def _facts(self, listed: _Listed, answers: Mapping[Key, EnvironmentRequest | _Unchecked | None]) -> RepositoryFacts:
        listings = [listing for _, listing in listed.listings]
        whole = next((each for each in listings if each.covers_repository and not each.complete), None)
        partial = {
            kind: listing.reason
            for source, listing in listed.listings
            if not (listing.complete or listing.covers_repository)
            for kind in source.kinds
        }
        return RepositoryFacts(
            id=listed.repository.id,
            full_name=listed.repository.full_name,
            complete=whole is None,
            reason=whole.reason if whole else "",
            requests={key: answer for key, answer in answers.items() if isinstance(answer, EnvironmentRequest)},
            open=frozenset(key for listing in listings for key in listing.open),
            unrequested={
                key: reason
                for listing in listings
                for key, reason in listing.unrequested.items()
                if answers.get(key) is not _UNCHECKED
            },
            incomplete_kinds={**self._uncovered, **partial},
            phrases=tuple(phrase for listing in listings for phrase in listing.phrases),
        )

    def _unreadable(self, repository: Repository, reason: str, existing: ExistingStacks) -> RepositoryFacts:
        nothing = RepositoryFacts(repository.id, repository.full_name, complete=False, reason=reason)
        return self._merge_last(nothing, existing)

    def _merge_last(self, facts: RepositoryFacts, existing: ExistingStacks) -> RepositoryFacts:
        """Merge what was read now with what was last read about existing environments."""
        last = self._last_facts.get(facts.id)
        if last is None:
            return facts
        kept = {
            key: request
            for key, request in last.requests.items()
            if key not in facts.open and key in existing and not facts.is_complete_for(key)
        }
        return replace(facts, requests={**kept, **facts.requests}, open=facts.open | kept.keys())

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._slots:
            return await asyncio.to_thread(work)


def _to_prefetch(listed: Sequence[_Listed]) -> list[tuple[Repository, str]]:
    return [(item.repository, each.commit) for item in listed for each in item.candidates if each.prefetch]


async def _as_coroutine(facts: RepositoryFacts) -> RepositoryFacts:
    return facts
