"""Translates GitHub's errors into the port's, and is the only place that knows them.

429, 403 with a limit  → ForgeUnavailable(retry_after)   the whole client waits until then
5xx, timeout, broken  → ForgeUnavailable                the loop retries
404                    → ForgeNotFound                   the caller checks whether the repository responds
401, 422, others       → ForgeRefused                    a person must change something
403                    → ForgeForbidden                  the same: a permission
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from github.Requester import Requester

from orchestrator.forges.github import wording
from orchestrator.forges.port import ForgeError, ForgeForbidden, ForgeNotFound, ForgeRefused, ForgeUnavailable

MAX_RETRY_AFTER = 3600.0
MAX_CLOCK_SKEW = 30.0
DEFAULT_RETRY_AFTER = 60.0
"""How long to wait if the response doesn't say, as GitHub's documentation recommends."""

HINTS = {
    401: wording.INVALID_CREDENTIALS,
    403: wording.MISSING_PERMISSION,
    410: wording.GONE,
    422: wording.REJECTED,
    451: wording.BLOCKED,
}


class RateLimited(ForgeUnavailable):
    """A rate limit, primary or secondary."""


def from_response(status: int, headers: Mapping[str, Any], data: Any, request: str, now: float) -> ForgeError:
    message = _message(data)
    if _is_rate_limit(status, headers, message):
        wait = retry_after(headers, now)
        return RateLimited(wording.rate_limited(request, wait), wait)
    if status >= 500:
        return ForgeUnavailable(wording.server_error(request, status), _retry_after_header(headers))
    if status == 404:
        return ForgeNotFound(wording.not_found(request))
    if 300 <= status < 400:
        return ForgeRefused(wording.redirected(request, status))
    kind = ForgeForbidden if status == 403 else ForgeRefused
    clock = _clock_hint(headers, now) if status == 401 else ""
    return kind(f"{request}: {status} {message or 'refused'}; {HINTS.get(status, wording.SEE_MESSAGE)}{clock}")


def _clock_hint(headers: Mapping[str, Any], now: float) -> str:
    """An App's JWTs are valid for minutes, so a wrong clock makes all of them invalid."""
    try:
        ahead = now - parsedate_to_datetime(str(headers.get("date") or "")).timestamp()
    except ValueError:
        return ""
    if abs(ahead) < MAX_CLOCK_SKEW:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    return wording.clock_is_off(abs(ahead), side)


def from_graphql(data: Mapping[str, Any]) -> RateLimited | None:
    """GraphQL reports a rate limit in a response with status 200. Its other errors concern single objects."""
    found = [item for item in data.get("errors") or () if isinstance(item, dict)]
    if any(item.get("type") == "RATE_LIMITED" for item in found):
        return RateLimited(
            wording.graphql_rate_limited(DEFAULT_RETRY_AFTER),
            DEFAULT_RETRY_AFTER,
        )
    return None


def from_exception(problem: Exception, request: str) -> ForgeUnavailable:
    """A timeout, a lost connection, or a truncated response."""
    return ForgeUnavailable(wording.incomplete_response(request, type(problem).__name__))


def from_unexpected_shape(problem: Exception, request: str) -> ForgeUnavailable:
    return ForgeUnavailable(wording.foreign_response(request, problem))


def retry_after(headers: Mapping[str, Any], now: float) -> float:
    stated = _retry_after_header(headers)
    if stated is None and str(headers.get("x-ratelimit-remaining")) == "0":
        reset = _number(headers.get("x-ratelimit-reset"))
        stated = None if reset is None else reset - now
    return max(1.0, min(MAX_RETRY_AFTER, DEFAULT_RETRY_AFTER if stated is None else stated))


def _is_rate_limit(status: int, headers: Mapping[str, Any], message: str) -> bool:
    if status == 429:
        return True
    exhausted = str(headers.get("x-ratelimit-remaining")) == "0"
    return status == 403 and (exhausted or "retry-after" in headers or Requester.isRateLimitError(message))


def _retry_after_header(headers: Mapping[str, Any]) -> float | None:
    wait = _number(headers.get("retry-after"))
    return None if wait is None else max(0.0, min(MAX_RETRY_AFTER, wait))


def _number(text: Any) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _message(data: Any) -> str:
    """GitHub's message in short form: the message and the first details."""
    if not isinstance(data, dict):
        return ""
    details = [str(item.get("message") or item.get("code") or "") for item in data.get("errors") or []
               if isinstance(item, dict)]  # fmt: skip
    return "; ".join(filter(None, [str(data.get("message") or ""), *details[:3]]))[:300]
