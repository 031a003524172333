"""Files of a file backend that belong to no stack, if their name is one of ours (``names.parse``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stacks import names, wording
from stacks.backends.file import locks
from stacks.backends.file.layout import STATE_SUFFIX, TAGS_SUFFIX, FileLayout
from stacks.model import StackRef, StrayFile
from stacks.stray_files import describe, grandchildren

_ENDINGS = ((TAGS_SUFFIX, "tag file"), (f"{STATE_SUFFIX}.bak", "backup"))


def find(layout: FileLayout, exists: Callable[[StackRef], bool]) -> Iterator[StrayFile]:
    for path in grandchildren(layout.root / "stacks"):
        kind, ref = _file_kind(path.name), StackRef(path.parent.name, stack_of_file(path.name))
        if kind and names.parse(ref) is not None and (path.name.startswith(".") or not exists(ref)):
            yield describe(kind, path, ref, wording.NO_STACK)
    for kind, folder in (("history", "history"), ("backups", "backups")):
        for path in grandchildren(layout.root / folder):
            ref = StackRef(path.parent.name, path.name)
            if names.parse(ref) is not None and not exists(ref):
                yield describe(kind, path, ref, wording.NO_STACK)
    yield from _stray_locks(layout, exists)


def stack_of_file(name: str) -> str:
    """``pr-1`` for ``pr-1.json`` and for ``.pr-1.pulumi-tags.4242``."""
    return name.removeprefix(".").partition(".")[0]


def _file_kind(name: str) -> str:
    if name.startswith("."):
        return "half-written file"
    return next((kind for ending, kind in _ENDINGS if name.endswith(ending)), "")


def _stray_locks(layout: FileLayout, exists: Callable[[StackRef], bool]) -> Iterator[StrayFile]:
    """A dead owner's lock on a living stack is broken by the next operation; one without a stack never would be."""
    for folder in grandchildren(layout.root / "locks" / "organization"):
        ref = StackRef(folder.parent.name, folder.name)
        if names.parse(ref) is None or exists(ref):
            continue
        for lock in locks.read(folder):
            reason = wording.NO_STACK if lock.owner_dead else wording.may_be_locked(lock.pid)
            yield describe("lock", folder / f"{lock.id}.json", ref, reason, in_use=not lock.owner_dead)
