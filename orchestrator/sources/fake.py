"""A source in memory, for stories and for development against the port. It runs the contract tests, too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from orchestrator.core.model.world import Confirmation, EnvironmentRequest, Existence, RecipeError
from orchestrator.forges.port import ForgeError, Repository
from orchestrator.sources.port import Candidate, ExistingStacks, SourceListing
from stacks.model import Key, RefKind


@dataclass(slots=True)
class FakeSource:
    """``requests`` and ``unrequested`` are what is open, ``ended`` what ended explicitly, each with its reason."""

    kinds: frozenset[RefKind]
    requests: dict[Key, EnvironmentRequest] = field(default_factory=dict)
    unrequested: dict[Key, str] = field(default_factory=dict)
    ended: dict[Key, str] = field(default_factory=dict)
    missing_part: str = ""
    """Why only the first half of each list can be read; empty: all of it can."""
    error: ForgeError | None = None
    """What every read raises."""

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        self._check_readable()
        mine = sorted(key for key in (*self.requests, *self.unrequested) if key.repository == repository.id)
        shown = mine[: len(mine) // 2] if self.missing_part else mine
        return SourceListing(
            open=frozenset(shown),
            candidates=tuple(self._candidate(self.requests[key]) for key in shown if key in self.requests),
            unrequested={key: self.unrequested[key] for key in shown if key in self.unrequested},
            complete=not self.missing_part,
            reason=self.missing_part,
        )

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:
        self._check_readable()
        if key in self.requests or key in self.unrequested:
            return Confirmation(key, Existence.PRESENT)
        if key in self.ended:
            return Confirmation(key, Existence.ENDED, self.ended[key])
        return Confirmation(key, Existence.GONE, f"{repository.full_name} has no {ref_name or key.id}")

    def _candidate(self, request: EnvironmentRequest) -> Candidate:
        return Candidate(request.key, request.commit, lambda: request, partial(_unreadable, request))

    def _check_readable(self) -> None:
        if self.error is not None:
            raise self.error

    # --- verbs of tests

    def request(self, request: EnvironmentRequest) -> None:
        """Requests an environment, or another commit for it."""
        self.unrequested.pop(request.key, None)
        self.ended.pop(request.key, None)
        self.requests[request.key] = request

    def withdraw(self, key: Key, reason: str) -> None:
        """It stays open but requests nothing any more."""
        del self.requests[key]
        self.unrequested[key] = reason

    def end(self, key: Key, reason: str) -> None:
        self.remove(key)
        self.ended[key] = reason

    def remove(self, key: Key) -> None:
        """It is gone, and nothing says why."""
        self.requests.pop(key, None)
        self.unrequested.pop(key, None)


def _unreadable(request: EnvironmentRequest, error: RecipeError) -> EnvironmentRequest:
    return replace(request, recipe=error)
