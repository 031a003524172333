"""All stacks of ours, read from the backend itself (docs/decisions: why not ``pulumi stack ls``).

Reading is incremental: a stack is read again only if its version changed, so a quiet cycle over a thousand stacks
costs one listing. A stack that can't be read is ``unreadable`` and hides no other; what can't be listed makes the
snapshot incomplete, never empty.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from stacks.backends import wording
from stacks.backends.port import Backend, Version
from stacks.model import StackRecord, StackRef, StackSnapshot, StackUpdate


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    """A record with the version it was read from."""

    version: Version | None
    record: StackRecord


class StackInventory:
    """Safe to call from one thread at a time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._cache: dict[StackRef, _CacheEntry] = {}

    def snapshot(self) -> StackSnapshot:
        listing = self._backend.list_stacks()
        read = ((ref, self._read_cached(ref, listing.versions[ref])) for ref in sorted(listing.versions))
        self._cache = {ref: entry for ref, entry in read if entry is not None}
        return StackSnapshot(
            stacks={ref: self._with_locks(ref, entry.record) for ref, entry in self._cache.items()},
            complete=not listing.problems,
            reason="; ".join(listing.problems),
            foreign_count=listing.foreign_count,
        )

    def _read_cached(self, ref: StackRef, version: Version | None) -> _CacheEntry | None:
        """None if the stack disappeared since it was listed."""
        cached = self._cache.get(ref)
        if cached is not None and version is not None and cached.version == version:
            return cached
        try:
            record = self._backend.read(ref)
        except Exception as error:  # noqa: BLE001 - whatever a state contains, it must not hide the other stacks
            reason = wording.state_unreadable(type(error).__name__, str(error)[:120])
            return _CacheEntry(None, StackRecord(ref, history=self._history(ref), unreadable=reason))
        return None if record is None else _CacheEntry(version, record)

    def _history(self, ref: StackRef) -> tuple[StackUpdate, ...]:
        with contextlib.suppress(Exception):
            return self._backend.history(ref)
        return ()

    def _with_locks(self, ref: StackRef, record: StackRecord) -> StackRecord:
        """Locks are read every time: an owner's death changes no version."""
        found = self._backend.locks(ref)
        return replace(record, locks=found) if found else record
