"""Reads git notes object by object: the ref, the trees that lead to the commit's name, the text.

Git stores a note as a file named after the commit, and once there are many, in folders named after its first letters.
The ref is requested conditionally, so a cycle without new notes costs nothing; the objects never change.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http.transport import Transport
from orchestrator.forges.github.parsers import GitTree
from orchestrator.forges.port import ForgeNotFound, ForgeRefused
from programs.kit.caches import BoundedCache

REFS_PREFIX = "refs/"
MAX_DEPTH = 8
MAX_TREES = 64
MAX_NOTE_BYTES = 64 * 1024


class GitNotes:
    """``path`` is the repository's. ``check_exists`` raises unless the repository itself responds."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._trees: BoundedCache[str, GitTree] = BoundedCache(MAX_TREES)

    def read(self, path: str, sha: str, ref: str, check_exists: Callable[[], None]) -> str:
        where = f"{path}/git/matching-refs/{quote(ref.removeprefix(REFS_PREFIX))}"
        try:
            tip = next((item.sha for item in self._transport.get(where, parsers.refs) if item.name == ref), "")
        except ForgeNotFound:
            tip = ""
        if not tip:
            check_exists()
            return ""
        note = self._find(path, tip, sha)
        return self._transport.get_once(f"{path}/git/blobs/{note}", _text) if note else ""

    def _find(self, path: str, tree: str, name: str) -> str:
        """The ID of the note's text; empty if the commit has none."""
        for _ in range(MAX_DEPTH):
            found = self._tree(path, tree)
            if name in found.files:
                return found.files[name]
            if name[:2] not in found.folders:
                return ""
            tree, name = found.folders[name[:2]], name[2:]
        return ""

    def _tree(self, path: str, sha: str) -> GitTree:
        known = self._trees.get(sha)
        if known is not None:
            return known
        found = self._transport.get_once(f"{path}/git/trees/{sha}", parsers.tree)
        if not found.complete:
            raise ForgeRefused(wording.TOO_MANY_NOTES)
        return self._trees.put(sha, found)


def _text(data: object) -> str:
    content = parsers.blob(data)
    if len(content) > MAX_NOTE_BYTES:
        raise ForgeRefused(wording.note_too_large(len(content), MAX_NOTE_BYTES))
    return content.decode(errors="replace")
