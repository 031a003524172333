"""Branches and tags by glob: only refs with a glob's prefix are listed, and an unchanged list costs nothing.

An annotated tag is an object that refers to a commit. It never changes, so it is requested once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import quote

from orchestrator.core.util import globs
from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http.transport import Transport
from orchestrator.forges.port import ForgeError, ForgeUnavailable, RefList
from stacks.model import RefKind

REF_PREFIXES = {RefKind.BRANCH: "heads", RefKind.TAG: "tags"}
MAX_TAG_DEPTH = 5
MAX_CACHED = 20_000


class RefReader:
    """``path`` is the repository's. ``check_exists`` raises unless the repository itself responds."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._tag_commits: dict[str, str] = {}

    def matching(
        self, path: str, kind: RefKind, patterns: tuple[str, ...], check_exists: Callable[[], None]
    ) -> RefList:
        space = f"refs/{REF_PREFIXES[kind]}/"
        found: dict[str, parsers.GitRef] = {}
        trouble = ""
        for prefix in _prefixes(patterns):
            listing = self._transport.listing(
                f"{path}/git/matching-refs/{REF_PREFIXES[kind]}/{quote(prefix)}", parsers.refs
            )
            trouble = trouble or str(listing.error or "")
            found |= {item.name.removeprefix(space): item for item in listing.items if item.name.startswith(space)}
        if not found:
            check_exists()
        wanted = {name: item for name, item in found.items() if globs.any_matches(patterns, name)}
        return self._commits(path, wanted, trouble)

    def _commits(self, path: str, refs: dict[str, parsers.GitRef], problem: str) -> RefList:
        commits = {}
        for name, item in sorted(refs.items()):
            try:
                commits[name] = self._tag_commit(path, item.sha) if item.annotated else item.sha
            except ForgeError as error:
                problem = problem or wording.tag_unreadable(name, error)
        return RefList(commits, not problem, problem)

    def _tag_commit(self, path: str, sha: str) -> str:
        if sha in self._tag_commits:
            return self._tag_commits[sha]
        target, again = sha, True
        for _ in range(MAX_TAG_DEPTH):
            target, again = self._transport.get_once(f"{path}/git/tags/{target}", parsers.tag_target)
            if not again:
                break
        else:
            raise ForgeUnavailable(wording.tag_chain(MAX_TAG_DEPTH))
        with self._lock:
            self._tag_commits[sha] = target
            while len(self._tag_commits) > MAX_CACHED:
                self._tag_commits.pop(next(iter(self._tag_commits)))
        return target


def _prefixes(patterns: tuple[str, ...]) -> list[str]:
    """The fewest prefixes that cover every glob."""
    all_ = sorted({globs.literal_prefix(pattern) for pattern in patterns})
    return [one for one in all_ if not any(one != other and one.startswith(other) for other in all_)]
