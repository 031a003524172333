"""Asking GitHub, through PyGithub's requester: authentication, base URL and connections are its; patience is ours.

Every reading is conditional. What was read is kept as the value made of it, with its ETag, so an answer of 304 costs
neither quota nor parsing; the text goes to the shelf, for the next life. A list is read whole or says that it is not:
pages are followed by GitHub's own links, and a page that was promised and came empty is read again without the cache
before it is believed to be short. When GitHub asks for patience, nothing is sent until then. Readings never wait here;
a write may, for its turn.

``Connection`` is one token's: quotas and limits are GitHub's for each token, so patience, pace and cost are a line's
own.
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

from orchestrator.forges.github import errors
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
"""In the library's words: the other end closed before any answer."""
NEXT_LINK = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')

Parse = Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class CachedResponse(Generic[T]):
    """A value with what GitHub said of its version and of the page after it. ``from_server``: not from memory."""

    value: T
    etag: str
    next: str
    from_server: bool = True


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """``requests_counted``: how many of its pages counted."""

    items: tuple[T, ...]
    error: ForgeError | None = None
    requests_counted: int = 0

    def all_items(self) -> tuple[T, ...]:
        """Everything, or the error that is in the way."""
        if self.error is not None:
            raise self.error
        return self.items


class Transport(Protocol):
    """What whoever reads or writes is given: one line, or the switchboard that finds the right one."""

    def get(self, url: str, parse: Parse[T]) -> T: ...
    def get_once(self, url: str, parse: Parse[T]) -> T:
        """For what never changes, and is too large to remember here."""

    def listing(self, path: str, parse: Parse[list[T]]) -> Listing[T]:
        """All pages. The first one's failure raises; a later one's is told with what was read before it."""

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """A change; gives the answer's JSON."""


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """What all lines share. ``now`` tells seconds since the epoch: reset times are compared with it."""

    base_url: str
    timeout: int = 10
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    cache: DiskCache = field(default_factory=lambda: DiskCache(None))


class Connection:
    """``name``: whose token it is, for keeping apart what each may see. Safe for several threads.

    ``refused`` is told of a 401: a token that was made may have been taken back, and the next one be good.
    """

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
        """A secret; asks for a new one when it is about to end."""
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
        """A POST that changes nothing of anybody's: it takes no turn from the writes."""
        return self._request("POST", path, {}, None)[2]

    def charge(self, points: int) -> None:
        """What an answer turned out to have cost, beyond the request itself."""
        with self._lock:
            self._usage = replace(self._usage, counted=self._usage.counted + points)

    def query(self, text: str) -> Any:
        """GraphQL: one question about many things. NotThere where the host has none."""
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
        """Whether it is suspicious comes with it: short, and partly from memory. ``headers`` None: all anew."""
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
                text = f"{first}: page {page} was announced but is empty, so the list may be incomplete"
                return Listing(tuple(items), ForgeUnavailable(text), cost), remembered
            items += reading.value
            promised = bool(reading.next)
            if not promised and len(reading.value) < PER_PAGE:
                return Listing(tuple(items), requests_counted=cost), False
            url = reading.next or f"{first}&page={page + 1}"
        return Listing(tuple(items), ForgeUnavailable(f"{first}: more than {MAX_PAGES} pages")), False

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
        """What an earlier life read; one that cannot be understood any more is not asked about by its version."""
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
        """A host closes a connection that rested, at times just when it is used again. A question is then asked once
        more, on another; a change is not, for it may have arrived."""
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
            text = f"{request}: not sent, GitHub's per-minute read limit is reached; retrying in {wait:.0f} s"
            raise errors.RateLimited(text, wait)

    def _wait_to_write(self, request: str, creates: bool) -> None:
        wait = self._limiter.acquire_write(creates)
        if wait > rate_limiter.MAX_WRITE_WAIT:
            raise errors.RateLimited(f"{request}: not sent, writes are rate-limited; retrying in {wait:.0f} s", wait)
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
            raise errors.RateLimited(f"{request}: not sent, GitHub asked to wait; retrying in {wait:.0f} s", wait)

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
