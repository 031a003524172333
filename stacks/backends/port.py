"""What Eph needs from the backend, the place where Pulumi keeps its stacks. ``fake.py`` keeps them in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from stacks.backends import wording
from stacks.model import StackLock, StackRecord, StackRef, StackSnapshot, StackTag, StackUpdate
from stacks.stray_files import HoldsStrayFiles

Version = tuple[object, ...]


class LockHeld(Exception):
    """Someone holds the stack's lock and isn't proven dead; the message says who, and what to do."""

    def __init__(self, ref: StackRef, lock: StackLock) -> None:
        known = wording.lock_owner(lock.pid, lock.user, lock.host, lock.acquired_at)
        super().__init__(wording.stack_locked(known if lock.pid else wording.UNKNOWN_OWNER, ref))


@dataclass(frozen=True, slots=True)
class StackListing:
    """Our stacks with the version of what is stored of each, without reading any of it.

    Two equal versions mean equal records; None means that the version is unknown. ``foreign_count`` counts stacks that
    aren't ours. ``problems`` says what couldn't be listed, and makes the snapshot incomplete.
    """

    versions: Mapping[StackRef, Version | None] = field(default_factory=dict)
    foreign_count: int = 0
    problems: tuple[str, ...] = ()


class Inventory(Protocol):
    def snapshot(self) -> StackSnapshot:
        """All stacks of ours, read from the backend itself; what hasn't changed is not read again."""


class Backend(HoldsStrayFiles, Protocol):
    """One backend. Only the lane of a stack writes to that stack. A method may block; if the store fails, it raises
    OSError and nothing else."""

    @property
    def url(self) -> str:
        """``registry.open_backend(url)`` opens the same backend in another process."""

    def environment(self) -> dict[str, str]:
        """The variables with which ``pulumi`` finds this backend."""

    def prepare(self) -> None:
        """Called once before the first operation."""

    # --- reading

    def list_stacks(self) -> StackListing: ...

    def read(self, ref: StackRef) -> StackRecord | None:
        """Without its locks. None: there is no such stack. Raises if what is stored can't be read."""

    def history(self, ref: StackRef) -> tuple[StackUpdate, ...]:
        """The newest updates, oldest first."""

    def exists(self, ref: StackRef) -> bool: ...

    def read_tag(self, ref: StackRef) -> StackTag | None:
        """None if there is no tag, or only a corrupt one: the stack then counts as half-created."""

    def secrets_salt(self, ref: StackRef) -> str:
        """The salt that its secrets were encrypted with; empty before the first update."""

    # --- locks

    def locks(self, ref: StackRef) -> tuple[StackLock, ...]:
        """With what is known of each owner now: an owner's death changes nothing in the backend."""

    def break_dead_locks(self, ref: StackRef) -> tuple[StackLock, ...]:
        """Removes the locks whose owner is proven dead, and returns them."""

    # --- writing

    def create(self, ref: StackRef) -> None:
        """Creates an empty stack, as ``pulumi stack init`` does."""

    def write_tag(self, ref: StackRef, tag: StackTag, variables: str | None = None) -> None:
        """Replaces whatever an earlier stack of that name left behind. ``variables`` None keeps those that are there.
        Both are written at once."""

    def repair(self, ref: StackRef) -> bool:
        """Removes what would stop ``pulumi``: partial writes and a corrupt tag. True: the state itself was truncated
        before the first update had succeeded, and the stack was created again, empty."""

    def finish_update(self, ref: StackRef, cancelled_since: datetime | None = None) -> None:
        """Prunes the history. ``cancelled_since``: a newer update that failed was interrupted, and is marked so."""

    def forget(self, ref: StackRef) -> None:
        """Removes what ``pulumi stack rm`` leaves behind. Called after it succeeded."""

    # --- cleaning up

    def clean_up(self, ref: StackRef) -> None:
        """After an operation, however it ended: removes its partial writes, and everything if there is no stack."""

    def clean_up_all(self) -> None:
        """The same for all stacks. Only while no operation runs."""


@dataclass(frozen=True, slots=True)
class BackendAdapter:
    """What the folder of a backend offers. ``open`` takes a URL of one of its schemes; it does no I/O, and raises
    InvalidValue for a URL that it can't use."""

    schemes: tuple[str, ...]
    open: Callable[[str], Backend]
