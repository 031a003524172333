"""The rule that every remembered fact follows: a key is forgotten when its record is gone, has ended or has expired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from orchestrator.core.model.world import CompletedRepair, EnvironmentRequest, RepositoryFacts
from stacks import names
from stacks.model import Key, OperationResult, StackRecord, StackRef, StackSnapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CurrentRecords:
    """What this cycle observed. ``failed_destroys`` are stacks whose last operation was a destroy that failed."""

    repositories: Mapping[int, RepositoryFacts]
    stacks: StackSnapshot
    now: datetime
    failed_destroys: frozenset[StackRef] = frozenset()

    def requests(self) -> Iterator[tuple[EnvironmentRequest, StackRecord | None]]:
        """Each request with the stack that exists for it."""
        existing = {parsed: record for ref, record in self.stacks.stacks.items() if (parsed := names.parse(ref))}
        for facts in self.repositories.values():
            for key, request in facts.requests.items():
                yield request, existing.get(key)

    def is_requested(self, key: Key) -> bool:
        """False once a complete reading no longer lists the request, or the repository is no longer served.

        A repository that couldn't be read completely may still request it.
        """
        facts = self.repositories.get(key.repository)
        return facts is not None and (not facts.is_complete_for(key) or key in facts.requests)

    def requested(self, facts: Mapping[Key, T]) -> dict[Key, T]:
        """Those whose key is still requested."""
        return {key: fact for key, fact in facts.items() if self.is_requested(key)}

    def is_open(self, key: Key) -> bool:
        facts = self.repositories.get(key.repository)
        return facts is not None and facts.is_complete_for(key) and key in facts.open

    def has_ended(self, ref: StackRef) -> bool:
        """Whether a stack is gone and stays gone. An incomplete snapshot proves no absence.

        A stack that was never created hasn't ended while it is requested: its failures set when it is tried again.
        """
        if not self.stacks.complete or ref in self.stacks.stacks:
            return False
        key = names.parse(ref)
        return ref in self.failed_destroys or key is None or not self.is_requested(key)


@dataclass(frozen=True, slots=True)
class RecalledFacts:
    """What the executor and the event log still know from before this term."""

    results: Sequence[OperationResult] = ()
    repairs: Mapping[StackRef, CompletedRepair] = field(default_factory=dict)
    guarded_destroys: Sequence[datetime] = ()
    image_waits: Mapping[StackRef, tuple[str, datetime]] = field(default_factory=dict)
    """Which commit each stack waits for images of, and since when."""


class RememberedFact(Protocol):
    """One thing that a process remembers between cycles."""

    def forget(self, current: CurrentRecords) -> None:
        """Forgets every key whose record is gone, has ended or has expired."""

    def start_term(self, recalled: RecalledFacts, /) -> None:
        """Drops what another replica may have changed since, and takes what is recorded elsewhere."""
