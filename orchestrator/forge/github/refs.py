"""Branches and tags by glob: only those are listed that begin as some glob does, and a quiet listing costs nothing.

An annotated tag is an object of its own that names a commit. It never changes, so it is asked for once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import quote

from orchestrator.core import globs
from orchestrator.forge.github import readings
from orchestrator.forge.github.transport import Transport
from orchestrator.forge.port import ForgeError, ForgeUnavailable, Refs
from stacks.model import RefKind

SPACES = {RefKind.BRANCH: "heads", RefKind.TAG: "tags"}
DEEPEST = 5
"""Tags of tags."""
KEPT = 20_000


class RefReader:
    """``path`` is the repository's; ``present`` raises unless the repository itself answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._targets: dict[str, str] = {}

    def matching(self, path: str, kind: RefKind, patterns: tuple[str, ...], present: Callable[[], None]) -> Refs:
        space = f"refs/{SPACES[kind]}/"
        found: dict[str, readings.Ref] = {}
        trouble = ""
        for prefix in _prefixes(patterns):
            listing = self._transport.listing(f"{path}/git/matching-refs/{SPACES[kind]}/{quote(prefix)}", readings.refs)
            trouble = trouble or str(listing.error or "")
            found |= {item.name.removeprefix(space): item for item in listing.items if item.name.startswith(space)}
        if not found:
            present()
        wanted = {name: item for name, item in found.items() if globs.any_matches(patterns, name)}
        return self._commits(path, wanted, trouble)

    def _commits(self, path: str, wanted: dict[str, readings.Ref], trouble: str) -> Refs:
        commits = {}
        for name, item in sorted(wanted.items()):
            try:
                commits[name] = self._target(path, item.sha) if item.annotated else item.sha
            except ForgeError as error:
                trouble = trouble or f"what the tag {name} means could not be read: {error}"
        return Refs(commits, not trouble, trouble)

    def _target(self, path: str, sha: str) -> str:
        if sha in self._targets:
            return self._targets[sha]
        target, again = sha, True
        for _ in range(DEEPEST):
            target, again = self._transport.get_once(f"{path}/git/tags/{target}", readings.tag_target)
            if not again:
                break
        else:
            raise ForgeUnavailable(f"it is a tag of a tag, more than {DEEPEST} deep")
        with self._lock:
            self._targets[sha] = target
            while len(self._targets) > KEPT:
                self._targets.pop(next(iter(self._targets)))
        return target


def _prefixes(patterns: tuple[str, ...]) -> list[str]:
    """The fewest that cover every glob."""
    all_ = sorted({globs.literal_prefix(pattern) for pattern in patterns})
    return [one for one in all_ if not any(one != other and one.startswith(other) for other in all_)]
