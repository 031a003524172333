"""Asking GitHub, through PyGithub's requester: authentication, base URL and connections are its; patience is ours.

Every reading is conditional. What was read is kept as the value made of it, with its ETag, so an answer of 304 costs
neither quota nor parsing. A list is read whole or says that it is not: pages are followed by GitHub's own links, and a
page that was promised and came empty is read again without the cache before it is believed to be short.
When GitHub asks for patience, nothing is sent until then; nothing here ever sleeps.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

import requests
from github import Auth, Github
from github.GithubException import GithubException

from orchestrator.forge.github import errors
from orchestrator.forge.port import Cost, ForgeError, ForgeUnavailable

T = TypeVar("T")
PER_PAGE = 100
MOST_PAGES = 200
KEEP = 8192
NEXT = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel="?next"?')

Parse = Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value with what GitHub said of its version and of the page after it. ``fresh``: not from memory."""

    value: T
    etag: str
    next: str
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    items: tuple[T, ...]
    error: ForgeError | None = None

    def whole(self) -> tuple[T, ...]:
        """Everything, or the error that is in the way."""
        if self.error is not None:
            raise self.error
        return self.items


class Transport:
    """``now`` tells seconds since the epoch: reset times are compared with it. Safe for several threads."""

    def __init__(self, base_url: str, token: str, timeout: int, now: Callable[[], float] = time.time) -> None:
        self._github = Github(
            auth=Auth.Token(token), base_url=base_url, timeout=timeout, retry=None, user_agent="eph", pool_size=16,
            per_page=PER_PAGE, seconds_between_requests=None, seconds_between_writes=None, lazy=True,
        )  # fmt: skip
        self._requester = self._github.requester
        self._now = now
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, Any], Reading[Any]] = OrderedDict()
        self._blocked_until = 0.0
        self._cost = Cost()

    def close(self) -> None:
        self._github.close()

    def cost(self) -> Cost:
        with self._lock:
            return replace(self._cost, blocked_for=max(0.0, self._blocked_until - self._now()))

    def get(self, url: str, parse: Parse[T]) -> T:
        return self._read(url, parse).value

    def get_once(self, url: str, parse: Parse[T]) -> T:
        """For what never changes, and is too large to remember here."""
        return self._read(url, parse, conditional=False, keep=False).value

    def listing(self, path: str, parse: Parse[list[T]]) -> Listing[T]:
        """All pages. The first one's failure raises; a later one's is told with what was read before it."""
        url = f"{path}{'&' if '?' in path else '?'}per_page={PER_PAGE}"
        found, suspicious = self._walk(url, parse, {})
        if suspicious:
            found, _ = self._walk(url, parse, None)
        return found

    def send(self, verb: str, path: str, body: Any = None) -> Any:
        """A change; gives the answer's JSON."""
        return self._ask(verb, path, {}, body)[2]

    def _walk(self, first: str, parse: Parse[list[T]], headers: Mapping[str, str] | None) -> tuple[Listing[T], bool]:
        """Whether it is suspicious comes with it: short, and partly from memory. ``headers`` None: all anew."""
        items: list[T] = []
        url, promised, remembered = first, False, False
        for page in range(1, MOST_PAGES + 1):
            try:
                reading = self._read(url, parse, conditional=headers is not None)
            except ForgeError as problem:
                if page == 1:
                    raise
                return Listing(tuple(items), problem), False
            remembered = remembered or not reading.fresh
            if not reading.value and promised:
                text = f"{first}: page {page} was promised and came empty; not believed to be all"
                return Listing(tuple(items), ForgeUnavailable(text)), remembered
            items += reading.value
            promised = bool(reading.next)
            if not promised and len(reading.value) < PER_PAGE:
                return Listing(tuple(items)), False
            url = reading.next or f"{first}&page={page + 1}"
        return Listing(tuple(items), ForgeUnavailable(f"{first}: more than {MOST_PAGES} pages")), False

    def _read(self, url: str, parse: Parse[T], conditional: bool = True, keep: bool = True) -> Reading[T]:
        key = (url, parse)
        with self._lock:
            held = cast("Reading[T] | None", self._held.get(key)) if conditional else None
        status, headers, data = self._ask("GET", url, {"If-None-Match": held.etag} if held else {})
        if status == 304 and held is not None:
            with self._lock:
                self._held[key] = held
                self._held.move_to_end(key)
            following = _next(headers) if "link" in headers else held.next
            return replace(held, next=following, fresh=False)
        try:
            reading = Reading(parse(data), str(headers.get("etag") or ""), _next(headers))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise errors.of_shape(problem, f"GET {url}") from problem
        if keep:
            self._keep(key, reading)
        return reading

    def _keep(self, key: tuple[str, Any], reading: Reading[Any]) -> None:
        with self._lock:
            self._held.pop(key, None)
            if reading.etag:
                self._held[key] = reading
            while len(self._held) > KEEP:
                self._held.popitem(last=False)

    def _ask(
        self, verb: str, url: str, headers: Mapping[str, str], body: Any = None
    ) -> tuple[int, dict[str, Any], Any]:
        what = f"{verb} {url}"
        self._be_patient(what)
        try:
            status, answered, text = self._requester.requestJson(verb, url, headers=dict(headers), input=body)
        except (requests.RequestException, GithubException, OSError, RuntimeError, ValueError) as problem:
            raise errors.of_exception(problem, what) from problem
        self._count(status, answered)
        data = self._json(status, text, what)
        if status >= 300 and status != 304:
            refusal = errors.of_answer(status, answered, data, what, self._now())
            if isinstance(refusal, errors.Limited):
                self._block(refusal.retry_after or errors.UNTOLD)
            raise refusal
        return status, answered, data

    def _json(self, status: int, text: str, what: str) -> Any:
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as problem:
            if status >= 300:
                return None
            raise errors.of_exception(problem, what) from problem

    def _be_patient(self, what: str) -> None:
        with self._lock:
            wait = self._blocked_until - self._now()
        if wait > 0:
            raise errors.Limited(f"{what}: not sent, GitHub asked for patience; trying again in {wait:.0f} s", wait)

    def _block(self, seconds: float) -> None:
        with self._lock:
            self._blocked_until = max(self._blocked_until, self._now() + seconds)

    def _count(self, status: int, headers: Mapping[str, Any]) -> None:
        with self._lock:
            old = self._cost
            free = status == 304
            self._cost = replace(
                old, counted=old.counted + (not free), free=old.free + free,
                remaining=_int(headers.get("x-ratelimit-remaining"), old.remaining),
                limit=_int(headers.get("x-ratelimit-limit"), old.limit),
            )  # fmt: skip


def _next(headers: Mapping[str, Any]) -> str:
    found = NEXT.search(str(headers.get("link") or ""))
    return found.group(1) if found else ""


def _int(text: Any, otherwise: int) -> int:
    try:
        return int(float(str(text)))
    except ValueError:
        return otherwise
