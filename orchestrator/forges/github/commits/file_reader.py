"""Files at commits. At a full commit ID a file never changes, so it is requested once and cached across restarts; at a
branch it is requested each time, conditionally. A missing file may appear late, so it is requested again after a
minute."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http.connections import ConnectionRouter
from orchestrator.forges.github.http.rate_limiter import MonotonicClock
from orchestrator.forges.github.http.transport import TransportConfig
from orchestrator.forges.port import ForgeNotFound, ForgeRefused, ForgeUnavailable
from programs.kit.caches import BoundedCache

SHA = re.compile(r"[0-9a-f]{40}")
MISSING_SECONDS = 60.0
MAX_CACHED = 4096
MAX_CACHED_BYTES = 65_536

FileKey = tuple[int, str, str]
"""Repository, path, commit."""


class FileReader:
    def __init__(self, router: ConnectionRouter, config: TransportConfig) -> None:
        self._router, self._now, self._disk_cache = router, MonotonicClock(config.now), config.cache
        self._cached: BoundedCache[FileKey, tuple[float, bytes | None]] = BoundedCache(MAX_CACHED)

    def read(self, repository_path: str, key: FileKey, limit: int, check_exists: Callable[[], None]) -> bytes | None:
        """None if the file doesn't exist. ``repository_path`` is the repository's API path."""
        held = self._recall(key)
        if held is None:
            content = self._fetch(repository_path, key, limit, check_exists)
            self.put(*key, content)
            held = (0.0, content)
        if held[1] is not None and len(held[1]) > limit:
            raise _too_large(key[1], len(held[1]), limit)
        return held[1]

    def is_cached(self, repository: int, path: str, sha: str) -> bool:
        return self._recall((repository, path, sha)) is not None

    def put(self, repository: int, path: str, sha: str, content: bytes | None) -> None:
        name = (repository, path, sha)
        if not SHA.fullmatch(sha) or len(content or b"") > MAX_CACHED_BYTES:
            return
        until = math.inf if content is not None else self._now() + MISSING_SECONDS
        self._cached.put(name, (until, content))
        if content is not None:
            self._disk_cache.put(self._cache_key(name), content)

    def _recall(self, key: FileKey) -> tuple[float, bytes | None] | None:
        held = self._cached.get(key)
        if held is not None:
            return held if held[0] > self._now() else None
        kept = self._disk_cache.get(self._cache_key(key)) if SHA.fullmatch(key[2]) else None
        if kept is None:
            return None
        return self._cached.put(key, (math.inf, kept.body))

    def _cache_key(self, key: FileKey) -> str:
        repository, path, sha = key
        return " ".join(("file", self._router.base_url, str(repository), sha, path))

    def _fetch(self, repository_path: str, key: FileKey, limit: int, check_exists: Callable[[], None]) -> bytes | None:
        _, path, ref = key
        where = f"{repository_path}/contents/{quote(path)}?ref={quote(ref, safe='')}"
        try:
            # A branch moves, so its files are requested each time, conditionally.
            ask = self._router.get_once if SHA.fullmatch(ref) else self._router.get
            data = ask(where, parsers.content)
        except ForgeNotFound:
            check_exists()
            return None
        return _content(data, path, limit)


def _content(data: Mapping[str, Any], path: str, limit: int) -> bytes:
    if data.get("type") != "file":
        raise ForgeRefused(wording.not_a_file(path, data.get("type")))
    size = int(data.get("size") or 0)
    if size > limit or data.get("encoding") == "none":
        raise _too_large(path, size, limit)
    try:
        content = base64.b64decode(str(data.get("content") or ""))
    except binascii.Error as problem:
        raise ForgeUnavailable(wording.not_base64(path, problem)) from problem
    if len(content) != size:
        raise ForgeUnavailable(wording.content_truncated(path, size, len(content)))
    return content


def _too_large(path: str, size: int, limit: int) -> ForgeRefused:
    return ForgeRefused(wording.file_too_large(path, size, limit))
