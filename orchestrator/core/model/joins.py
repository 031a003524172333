"""The join of desired and existing state, a closed union: an environment is wanted, exists, or both; never neither.

An environment exists as soon as its stack has a record or its first operation runs. Every member answers the same four
attributes, so code that asks for one fact doesn't have to match; code that decides matches on the union.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orchestrator.core.model.world import EnvironmentRequest, RepositoryFacts, RunningOperation
from stacks.model import StackRecord


@dataclass(frozen=True, slots=True)
class RecordedStack:
    """A stack that the backend lists."""

    record: StackRecord
    running: RunningOperation | None = None


@dataclass(frozen=True, slots=True)
class UnrecordedStack:
    """A stack that the backend doesn't list (yet), while an operation runs in its lane."""

    record: ClassVar[None] = None
    running: RunningOperation


ExistingStack = RecordedStack | UnrecordedStack


@dataclass(frozen=True, slots=True)
class WantedOnly:
    """Requested, and nothing exists."""

    record: ClassVar[None] = None
    running: ClassVar[None] = None
    repository: RepositoryFacts
    request: EnvironmentRequest


@dataclass(frozen=True, slots=True)
class ExistingOnly:
    """Exists without a request. ``repository`` is None if this server isn't configured for it."""

    request: ClassVar[None] = None
    stack: ExistingStack
    repository: RepositoryFacts | None = None

    @property
    def record(self) -> StackRecord | None:
        return self.stack.record

    @property
    def running(self) -> RunningOperation | None:
        return self.stack.running


@dataclass(frozen=True, slots=True)
class WantedAndExisting:
    """Requested, and it exists."""

    repository: RepositoryFacts
    request: EnvironmentRequest
    stack: ExistingStack

    @property
    def record(self) -> StackRecord | None:
        return self.stack.record

    @property
    def running(self) -> RunningOperation | None:
        return self.stack.running


Join = WantedOnly | ExistingOnly | WantedAndExisting


def join(
    repository: RepositoryFacts | None,
    request: EnvironmentRequest | None,
    record: StackRecord | None,
    running: RunningOperation | None,
) -> Join:
    """Raises ValueError if there is neither a request nor a stack, or a request without its repository."""
    stack = _existing_stack(record, running)
    if request is None:
        if stack is None:
            raise ValueError("an environment is requested or exists; this one is neither")
        return ExistingOnly(stack, repository)
    if repository is None:
        raise ValueError("a request belongs to a repository")
    return WantedOnly(repository, request) if stack is None else WantedAndExisting(repository, request, stack)


def _existing_stack(record: StackRecord | None, running: RunningOperation | None) -> ExistingStack | None:
    if record is not None:
        return RecordedStack(record, running)
    return UnrecordedStack(running) if running is not None else None
