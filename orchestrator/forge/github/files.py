"""Files at commits. At a full commit id a file never changes, so it is asked once, and kept over restarts; at a branch
it is asked each time, conditionally. One that is missing may only be late in arriving, and is asked again after
a minute."""

from __future__ import annotations

import base64
import binascii
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.forge.github import readings
from orchestrator.forge.github.accounts import Switchboard
from orchestrator.forge.github.pace import Forward
from orchestrator.forge.github.transport import Means
from orchestrator.forge.port import ForgeRefused, ForgeUnavailable, NotThere

SHA = re.compile(r"[0-9a-f]{40}")
MISSING_SECONDS = 60.0
KEPT = 4096
KEPT_MOST = 65_536

Name = tuple[int, str, str]
"""Repository, path, commit."""


class Files:
    def __init__(self, board: Switchboard, means: Means) -> None:
        self._board, self._now, self._shelf = board, Forward(means.now), means.shelf
        self._lock = threading.Lock()
        self._held: OrderedDict[Name, tuple[float, bytes | None]] = OrderedDict()

    def read(self, home: str, name: Name, limit: int, present: Callable[[], None]) -> bytes | None:
        """None: there is none. ``home`` is the path of the repository."""
        held = self._recall(name)
        if held is None:
            content = self._fetch(home, name, limit, present)
            self.keep(*name, content)
            held = (0.0, content)
        if held[1] is not None and len(held[1]) > limit:
            raise _too_large(name[1], len(held[1]), limit)
        return held[1]

    def knows(self, repository: int, path: str, sha: str) -> bool:
        return self._recall((repository, path, sha)) is not None

    def keep(self, repository: int, path: str, sha: str, content: bytes | None) -> None:
        name = (repository, path, sha)
        if not SHA.fullmatch(sha) or len(content or b"") > KEPT_MOST:
            return
        until = math.inf if content is not None else self._now() + MISSING_SECONDS
        with self._lock:
            self._held.pop(name, None)
            self._held[name] = (until, content)
            while len(self._held) > KEPT:
                self._held.popitem(last=False)
        if content is not None:
            self._shelf.put(self._place(name), content)

    def _recall(self, name: Name) -> tuple[float, bytes | None] | None:
        with self._lock:
            held = self._held.get(name)
        if held is not None:
            return held if held[0] > self._now() else None
        kept = self._shelf.get(self._place(name)) if SHA.fullmatch(name[2]) else None
        if kept is None:
            return None
        with self._lock:
            self._held[name] = (math.inf, kept.body)
        return (math.inf, kept.body)

    def _place(self, name: Name) -> str:
        repository, path, sha = name
        return f"file {self._board.home} {repository} {sha} {path}"

    def _fetch(self, home: str, name: Name, limit: int, present: Callable[[], None]) -> bytes | None:
        _, path, ref = name
        where = f"{home}/contents/{quote(path)}?ref={quote(ref, safe='')}"
        try:
            # A branch moves: it is asked again and again, so by its version.
            ask = self._board.get_once if SHA.fullmatch(ref) else self._board.get
            data = ask(where, readings.content)
        except NotThere:
            present()
            return None
        return _content(data, path, limit)


def _content(data: Mapping[str, Any], path: str, limit: int) -> bytes:
    if data.get("type") != "file":
        raise ForgeRefused(f"{path} is a {data.get('type')}, not a file")
    size = int(data.get("size") or 0)
    if size > limit or data.get("encoding") == "none":
        raise _too_large(path, size, limit)
    try:
        content = base64.b64decode(str(data.get("content") or ""))
    except binascii.Error as problem:
        raise ForgeUnavailable(f"{path}: GitHub's answer is not Base64 ({problem}); trying again") from problem
    if len(content) != size:
        raise ForgeUnavailable(f"{path}: GitHub told {size} bytes and gave {len(content)}; trying again")
    return content


def _too_large(path: str, size: int, limit: int) -> ForgeRefused:
    return ForgeRefused(f"{path} has {size} bytes; at most {limit} are read")
