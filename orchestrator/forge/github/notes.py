"""Git notes, read piece by piece: the ref, the trees on the way to the commit's name, the text.

Git keeps a note as a file that is called as the commit, and once there are many, in folders by its first letters. The
ref is asked for conditionally, so that a look while nobody wrote a note costs nothing; the rest never changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import quote

from orchestrator.forge.github import readings
from orchestrator.forge.github.readings import Tree
from orchestrator.forge.github.transport import Transport
from orchestrator.forge.port import ForgeRefused, NotThere

SPACE = "refs/"
DEEPEST = 8
KEPT = 64
MOST = 64 * 1024


class Notes:
    """``path`` is the repository's; ``present`` raises unless the repository itself answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._trees: OrderedDict[str, Tree] = OrderedDict()

    def read(self, path: str, sha: str, ref: str, present: Callable[[], None]) -> str:
        where = f"{path}/git/matching-refs/{quote(ref.removeprefix(SPACE))}"
        try:
            tip = next((item.sha for item in self._transport.get(where, readings.refs) if item.name == ref), "")
        except NotThere:
            tip = ""
        if not tip:
            present()
            return ""
        note = self._find(path, tip, sha)
        return self._transport.get_once(f"{path}/git/blobs/{note}", _text) if note else ""

    def _find(self, path: str, tree: str, rest: str) -> str:
        """The id of the note's text; empty: that commit has none."""
        for _ in range(DEEPEST):
            found = self._tree(path, tree)
            if rest in found.files:
                return found.files[rest]
            if rest[:2] not in found.folders:
                return ""
            tree, rest = found.folders[rest[:2]], rest[2:]
        return ""

    def _tree(self, path: str, sha: str) -> Tree:
        known = self._trees.get(sha)
        if known is not None:
            return known
        found = self._transport.get_once(f"{path}/git/trees/{sha}", readings.tree)
        if not found.complete:
            raise ForgeRefused("the git notes are more than the Git host lists; let git sort them into folders")
        with self._lock:
            self._trees[sha] = found
            while len(self._trees) > KEPT:
                self._trees.popitem(last=False)
        return found


def _text(data: object) -> str:
    content = readings.blob(data)
    if len(content) > MOST:
        raise ForgeRefused(f"the git note has {len(content)} bytes; at most {MOST} are read")
    return content.decode(errors="replace")
