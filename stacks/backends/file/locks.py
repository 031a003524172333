"""The folder of a stack's locks: one file each (``pulumi_locks`` parses it)."""

from __future__ import annotations

from pathlib import Path

from stacks import process_identity
from stacks.backends import pulumi_locks
from stacks.backends.pulumi_locks import ProcessLookup
from stacks.model import StackLock


def read(folder: Path, lookup: ProcessLookup = process_identity.describe) -> tuple[StackLock, ...]:
    """The locks in the folder of one stack."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return ()
    return tuple(lock for lock in (_read(path, lookup) for path in files) if lock is not None)


def break_dead(folder: Path, lookup: ProcessLookup = process_identity.describe) -> tuple[StackLock, ...]:
    """Removes locks whose owner is proven dead, and returns them: what ``pulumi cancel`` does, but with proof."""
    broken = tuple(lock for lock in read(folder, lookup) if lock.owner_dead)
    for lock in broken:
        (folder / f"{lock.id}.json").unlink(missing_ok=True)
    return broken


def _read(path: Path, lookup: ProcessLookup) -> StackLock | None:
    """None if it was released meanwhile. One that can't be read counts as held."""
    try:
        return pulumi_locks.parse(path.stem, path.read_bytes(), lookup)
    except FileNotFoundError:
        return None
    except OSError:
        return pulumi_locks.parse(path.stem, b"", lookup)
