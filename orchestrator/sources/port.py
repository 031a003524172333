"""Where desire comes from. A source yields requests for environments, and the plan doesn't know which source it was.

Each kind of key has exactly one source. To add a source, write a module with a class that has these methods, and
compose it (``orchestrator.sources.factory``); tests/contracts/test_sources.py is the contract of all of them.

A failed read is never an empty one: a source raises, or its listing isn't ``complete``. All methods block and are
called from several threads at once, but never twice at once for the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.core.model.world import Confirmation, EnvironmentRequest, RecipeError
from orchestrator.forges.port import Repository
from stacks.model import Key, RefKind, StackRecord

ExistingStacks = Mapping[Key, StackRecord]
"""What exists already and keeps its name. A source whose desire lives in the stacks finds it there."""


def existing_name(existing: ExistingStacks, key: Key) -> str:
    """The name that the environment keeps; empty if it doesn't exist yet."""
    return existing[key].name if key in existing else ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something open that may request an environment of one commit. ``read`` blocks and reads the request.

    ``unreadable`` is the request for an existing environment if ``read`` crashed. ``prefetch``: its commit is announced
    to the Git host first, together with those of all others.
    """

    key: Key
    commit: str
    read: Callable[[], EnvironmentRequest | None]
    unreadable: Callable[[RecipeError], EnvironmentRequest]
    prefetch: bool = False


@dataclass(frozen=True, slots=True)
class SourceListing:
    """What is open in one repository: all keys, and the candidates among them.

    ``unrequested`` says for what is open why it has no request, unless it turns out to have one. What isn't in
    ``unrequested`` is confirmed one by one before it counts as gone.
    """

    open: frozenset[Key] = frozenset()
    candidates: tuple[Candidate, ...] = ()
    unrequested: Mapping[Key, str] = field(default_factory=dict)
    complete: bool = True
    reason: str = ""
    """Why it isn't complete."""
    covers_repository: bool = False
    """If it isn't complete, no absence in the whole repository proves anything, whichever source it comes from."""
    phrases: tuple[str, ...] = ()
    """Comment lines that work like ``/eph up``."""
    note: str = ""
    """A sentence for people about what is skipped."""


class Source(Protocol):
    @property
    def kinds(self) -> frozenset[RefKind]:
        """The kinds of its keys."""

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        """Everything open. After a partial failure it returns what was read, not ``complete``; if nothing could be
        read, it raises ForgeError or returns an empty listing that isn't ``complete``."""

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:
        """Asks for exactly this one, because the list didn't contain it. ``ref_name`` is the beginning of its name, as
        far as its stack's tag knows it. Raises ForgeError if there is no answer."""


def by_kind(sources: Sequence[Source]) -> dict[RefKind, Source]:
    """The source of each kind. Two for one kind would contradict each other about what is gone."""
    found: dict[RefKind, Source] = {}
    for source in sources:
        for kind in source.kinds:
            if kind in found:
                raise ValueError(f"{type(found[kind]).__name__} and {type(source).__name__} both read the kind {kind}")
            found[kind] = source
    return found
