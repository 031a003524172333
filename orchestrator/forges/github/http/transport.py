"""HTTP requests to GitHub through PyGithub's requester, which handles authentication, base URL and connections.

Every read is conditional. The parsed value is cached with its ETag, so a 304 costs neither quota nor parsing; the text
goes to the disk cache, for the next start. A list is either complete or says that it isn't: pages are followed by
GitHub's links, and if an announced page is empty, it is read again without the cache before the list counts as short.
When GitHub asks us to wait, nothing is sent until then. Reads never wait here; a write may wait for its turn.

A ``Connection`` belongs to one token, because GitHub's quotas and limits are per token.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, cast

import requests
from github import Auth, Github
from github.GithubException import GithubException

from orchestrator.forges.github import errors, wording
from orchestrator.forges.github.http import rate_limiter
from orchestrator.forges.github.http.disk_cache import DiskCache
from orchestrator.forges.github.http.rate_limiter import MonotonicClock, RateLimiter
from orchestrator.forges.port import ApiUsage, ForgeError, ForgeRefused, ForgeUnavailable
from programs.kit.caches import BoundedCache

T = TypeVar("T")
PER_PAGE = 100
MAX_PAGES = 200
MAX_CACHED = 8192
ABORTED = "Connection aborted"
"""The library's message if the peer closed the connection before any response."""
NEXT_LINK = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')

Parse = Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class CachedResponse(Generic[T]):
    """A value with its ETag and the link to the next page. ``from_server`` False: it came from the cache."""

    value: T
    etag: str
    next: str
    from_server: bool = True


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """``requests_counted`` is the number of its pages that used the quota."""

    items: tuple[T, ...]
    error: ForgeError | None = None
    requests_counted: int = 0

    def all_items(self) -> tuple[T, ...]:
        """All items, or raises the error that prevented it."""
        if self.error is not None:
            raise self.error
        return self.items


class Transport(Protocol):
    """What readers and writers use: one connection, or the router that chooses one."""

    def get(self, url: str, parse: Parse[T]) -> T: ...
    def get_once(self, url: str, parse: Parse[T]) -> T:
        """For immutable data that is too large to cache in memory."""

    def listing(self, path: str, parse: Parse[list[T]]) -> Listing[T]:
        """All pages. An error on the first page raises; a later one is returned with what was read before it."""

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a change and returns the response's JSON."""


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """What all connections share. ``now`` returns seconds since the epoch, because reset times are compared with it."""

    base_url: str
    timeout: int = 10
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    cache: DiskCache = field(default_factory=lambda: DiskCache(None))


class Connection:
    """``name`` identifies the token, to separate what each token can see. Thread-safe. ``on_unauthorized`` is called on
    a 401: a token may have been revoked, and the next one may work."""

    def __init__(
        self, config: TransportConfig, auth: Auth.Auth, name: str, on_unauthorized: Callable[[], None] = lambda: None
    ) -> None:
        self._github = Github(
            auth=auth, base_url=config.base_url, timeout=config.timeout, retry=None, user_agent="eph", pool_size=16,
            per_page=PER_PAGE, seconds_between_requests=None, seconds_between_writes=None, lazy=True,
        )  # fmt: skip
        self._requester = self._github.requester
        self.name, self._auth, self._on_unauthorized = name, auth, on_unauthorized
        self._config, self._now, self._disk_cache = config, MonotonicClock(config.now), config.cache
        self._limiter = RateLimiter(config.now)
        self._lock = threading.Lock()
        self._cached: BoundedCache[tuple[str, Any], CachedResponse[Any]] = BoundedCache(MAX_CACHED)
        self._blocked_until = 0.0
        self._usage = ApiUsage()

    def close(self) -> None:
        self._github.close()

    def usage(self) -> ApiUsage:
        with self._lock:
            return replace(self._usage, blocked_for=max(0.0, self._blocked_until - self._now()))

    def get(self, url: str, parse: Parse[T]) -> T:
        return self._read(url, parse).value

    @property
    def token(self) -> str:
        """A secret; a new one if the current one is about to expire."""
        return self._auth.token

    def get_once(self, url: str, parse: Parse[T]) -> T:
        return self._read(url, parse, conditional=False, keep=False).value

    def listing(self, path: str, parse: Parse[list[T]]) -> Listing[T]:
        url = f"{path}{'&' if '?' in path else '?'}per_page={PER_PAGE}"
        found, suspicious = self._fetch_pages(url, parse, {})
        if suspicious:
            found, _ = self._fetch_pages(url, parse, None)
        return found

    def send(self, method: str, path: str, body: Any = None) -> Any:
        self._wait_to_write(f"{method} {path}", creates=method == "POST" and path.endswith("/comments"))
        return self._request(method, path, {}, body)[2]

    def post_unthrottled(self, path: str) -> Any:
        """A POST without side effects, which isn't subject to the limit for writes."""
        return self._request("POST", path, {}, None)[2]

    def charge(self, points: int) -> None:
        """Adds the additional cost that a response reported."""
        with self._lock:
            self._usage = replace(self._usage, counted=self._usage.counted + points)

    def query(self, text: str) -> Any:
        """GraphQL: one query about many objects. Raises ForgeNotFound if the host has none."""
        data = self._request("POST", self._requester.graphql_url, {}, {"query": text})[2]
        if not isinstance(data, dict):
            raise errors.from_unexpected_shape(TypeError("no object"), "POST /graphql")
        limited = errors.from_graphql(data)
        if limited is not None:
            self._block(limited.retry_after or errors.DEFAULT_RETRY_AFTER)
            raise limited
        return data

    def _fetch_pages(
        self, first: str, parse: Parse[list[T]], headers: Mapping[str, str] | None
    ) -> tuple[Listing[T], bool]:
        """Also returns whether the list is suspicious: short, and partly from the cache. ``headers`` None: without the
        cache."""
        items: list[T] = []
        url, promised, remembered, cost = first, False, False, 0
        for page in range(1, MAX_PAGES + 1):
            try:
                reading = self._read(url, parse, conditional=headers is not None)
            except ForgeError as problem:
                if page == 1:
                    raise
                return Listing(tuple(items), problem, cost), False
            remembered = remembered or not reading.from_server
            cost += reading.from_server
            if not reading.value and promised:
                text = wording.page_empty(first, page)
                return Listing(tuple(items), ForgeUnavailable(text), cost), remembered
            items += reading.value
            promised = bool(reading.next)
            if not promised and len(reading.value) < PER_PAGE:
                return Listing(tuple(items), requests_counted=cost), False
            url = reading.next or f"{first}&page={page + 1}"
        return Listing(tuple(items), ForgeUnavailable(wording.too_many_pages(first, MAX_PAGES))), False

    def _read(self, url: str, parse: Parse[T], conditional: bool = True, keep: bool = True) -> CachedResponse[T]:
        key = (url, parse)
        held = cast("CachedResponse[T] | None", self._cached.get(key)) if conditional else None
        if held is None and conditional and keep:
            held = self._load_from_disk(url, parse)
        self._check_read_rate(f"GET {url}")
        status, headers, text = self._request_raw("GET", url, {"If-None-Match": held.etag} if held else {})
        if status == 304 and held is not None:
            self._cache(key, held)
            following = _next(headers) if "link" in headers else held.next
            return replace(held, next=following, from_server=False)
        try:
            reading = CachedResponse(parse(self._json(status, text, f"GET {url}")), _etag(headers), _next(headers))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise errors.from_unexpected_shape(problem, f"GET {url}") from problem
        if keep:
            self._cache(key, reading)
            self._store_on_disk(url, text, reading)
        return reading

    def _cache(self, key: tuple[str, Any], reading: CachedResponse[Any]) -> None:
        if reading.etag:
            self._cached.put(key, reading)
        else:
            self._cached.pop(key)

    def _store_on_disk(self, url: str, text: str, reading: CachedResponse[Any]) -> None:
        if reading.etag:
            self._disk_cache.put(self._cache_key(url), text.encode(), reading.etag, reading.next)

    def _load_from_disk(self, url: str, parse: Parse[T]) -> CachedResponse[T] | None:
        """What an earlier process read. An entry that can't be parsed any more is requested unconditionally."""
        kept = self._disk_cache.get(self._cache_key(url))
        if kept is None or not kept.etag:
            return None
        try:
            return CachedResponse(parse(json.loads(kept.body)), kept.etag, kept.next)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _cache_key(self, url: str) -> str:
        return f"{self._config.base_url} {self.name} {url}"

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None
    ) -> tuple[int, dict[str, Any], Any]:
        status, answered, text = self._request_raw(method, url, headers, body)
        return status, answered, self._json(status, text, f"{method} {url}")

    def _request_raw(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None
    ) -> tuple[int, dict[str, Any], str]:
        what = f"{method} {url}"
        self._check_not_blocked(what)
        try:
            status, answered, text = self._send_with_retry(method, url, headers, body)
        except (requests.RequestException, GithubException, OSError, RuntimeError, ValueError) as problem:
            raise errors.from_exception(problem, what) from problem
        self._count(status, answered)
        if status >= 300 and status != 304:
            refusal = errors.from_response(status, answered, self._json(status, text, what), what, self._config.now())
            if isinstance(refusal, errors.RateLimited):
                self._block(refusal.retry_after or errors.DEFAULT_RETRY_AFTER)
            if status == 401 and isinstance(refusal, ForgeRefused):
                self._on_unauthorized()
            raise refusal
        return status, answered, text

    def _send_with_retry(
        self, method: str, url: str, headers: Mapping[str, str], body: Any
    ) -> tuple[int, dict[str, Any], str]:
        """A host closes idle connections, sometimes just when one is used again. A read is then repeated on another
        connection; a write isn't, because it may have arrived."""
        try:
            return self._requester.requestJson(method, url, headers=dict(headers), input=body)
        except requests.ConnectionError as broken:
            is_question = method == "GET" or url == self._requester.graphql_url
            if ABORTED not in str(broken) or not is_question:
                raise
        return self._requester.requestJson(method, url, headers=dict(headers), input=body)

    def _check_read_rate(self, request: str) -> None:
        wait = self._limiter.acquire_read()
        if wait:
            text = wording.reads_paused(request, wait)
            raise errors.RateLimited(text, wait)

    def _wait_to_write(self, request: str, creates: bool) -> None:
        wait = self._limiter.acquire_write(creates)
        if wait > rate_limiter.MAX_WRITE_WAIT:
            raise errors.RateLimited(wording.writes_paused(request, wait), wait)
        if wait:
            self._config.sleep(wait)

    def _json(self, status: int, text: str, request: str) -> Any:
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as problem:
            if status >= 300:
                return None
            raise errors.from_exception(problem, request) from problem

    def _check_not_blocked(self, request: str) -> None:
        with self._lock:
            wait = self._blocked_until - self._now()
        if wait > 0:
            raise errors.RateLimited(wording.asked_to_wait(request, wait), wait)

    def _block(self, seconds: float) -> None:
        with self._lock:
            self._blocked_until = max(self._blocked_until, self._now() + seconds)

    def _count(self, status: int, headers: Mapping[str, Any]) -> None:
        with self._lock:
            old = self._usage
            free = status == 304
            self._usage = replace(old, counted=old.counted + (not free), free=old.free + free)
            if str(headers.get("x-ratelimit-resource") or "core") == "core":
                self._usage = replace(
                    self._usage, remaining=_int(headers.get("x-ratelimit-remaining"), old.remaining),
                    limit=_int(headers.get("x-ratelimit-limit"), old.limit),
                    reset=_int(headers.get("x-ratelimit-reset"), old.reset),
                )  # fmt: skip


def _etag(headers: Mapping[str, Any]) -> str:
    return str(headers.get("etag") or "")


def _next(headers: Mapping[str, Any]) -> str:
    found = NEXT_LINK.search(str(headers.get("link") or ""))
    return found.group(1) if found else ""


def _int(text: Any, default: int) -> int:
    try:
        return int(float(str(text)))
    except ValueError:
        return default
