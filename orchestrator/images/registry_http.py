"""HTTP requests to registries, limited in time, size and destination. Responses are untrusted.

Hosts that the operator configured are contacted normally, through a proxy if there is one. For any other host, the
address is resolved and checked first: it must be public, and exactly that address is connected to, so changing the DNS
record in between gains nothing. Redirects are followed by hand, each is checked again, and secrets are never sent to
another host. A host that asks for a delay (429, Retry-After) isn't contacted until then.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from orchestrator.images import wording
from orchestrator.images.errors import RegistryRefused, RegistryUnavailable
from orchestrator.images.registry_policy import RegistryPolicy

REQUEST_SECONDS = 20.0
"""For one whole request, however slowly the response arrives."""
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
MAX_REDIRECTS = 3
REQUESTS_PER_HOST = 4
DEFAULT_RETRY_AFTER = 30.0
MAX_RETRY_AFTER = 3600.0
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """``body`` is complete: a response over the limit raises."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise RegistryRefused(wording.invalid_json(_host(httpx.URL(self.url)))) from None


class RegistryHttp:
    """``now`` is a monotonic clock in seconds."""

    def __init__(
        self,
        policy: RegistryPolicy,
        now: Callable[[], float] = time.monotonic,
        is_public_address: Callable[[str], bool] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._policy = policy
        self._now = now
        self._lock = threading.Lock()
        self._slots: dict[str, threading.Semaphore] = {}
        self._blocked_until: dict[str, float] = {}
        context = tls_context()
        headers = {"Accept-Encoding": "identity"}
        public_only = _PublicOnlyTransport(context, is_public_address or is_public)
        self._configured_client = httpx.Client(verify=context, timeout=timeout, follow_redirects=False, headers=headers)
        self._public_client = httpx.Client(
            transport=public_only, timeout=timeout, follow_redirects=False, headers=headers
        )

    def close(self) -> None:
        self._configured_client.close()
        self._public_client.close()

    def request(self, method: str, url: str, registry: str, headers: Mapping[str, str], max_bytes: int) -> HttpReply:
        """``registry`` is the host on whose behalf the request is sent; ``max_bytes`` limits the response."""
        current_url = self._checked_url(url, registry)
        given = dict(headers)
        for _ in range(MAX_REDIRECTS + 1):
            reply = self._request_once(method, current_url, given, max_bytes)
            if reply.status not in _REDIRECT_STATUSES:
                return reply
            target_url = self._checked_url(str(current_url.join(reply.headers.get("location", ""))), registry)
            if _host(target_url) != _host(current_url):
                given.pop("Authorization", None)
            current_url = target_url
        raise RegistryRefused(wording.redirects_endlessly(registry))

    def _checked_url(self, url: str, registry: str) -> httpx.URL:
        try:
            found = httpx.URL(url)
            host = _host(found)
        except (httpx.InvalidURL, ValueError):
            raise RegistryRefused(wording.invalid_redirect(registry)) from None
        if found.scheme != "https" and not (found.scheme == "http" and host in self._policy.plain_http):
            raise RegistryRefused(wording.no_tls(host))
        if found.userinfo or not self._policy.allows_redirect(registry, host):
            raise RegistryRefused(wording.redirect_not_allowed(host))
        return found

    def _request_once(self, method: str, url: httpx.URL, headers: Mapping[str, str], max_bytes: int) -> HttpReply:
        host = _host(url)
        client = self._configured_client if self._policy.is_configured(host) else self._public_client
        until = self._now() + REQUEST_SECONDS
        with self._slot(host):
            try:
                with client.stream(method, url, headers=dict(headers)) as answer:
                    body = _read_bounded(answer, max_bytes, until, self._now)
                    reply = HttpReply(answer.status_code, dict(answer.headers), body, str(url))
            except _PrivateAddress as error:
                raise RegistryRefused(wording.not_accessible(error)) from None
            except httpx.HTTPError as error:
                raise RegistryUnavailable(_error_message(host, error)) from None
            except (httpx.InvalidURL, UnicodeError, ValueError):
                raise RegistryRefused(wording.not_http(host)) from None
        self._check_status(host, reply)
        return reply

    def _slot(self, host: str) -> threading.Semaphore:
        with self._lock:
            left = self._blocked_until.get(host, 0.0) - self._now()
            if left > 0:
                raise RegistryUnavailable(wording.asks_to_wait(host), left)
            return self._slots.setdefault(host, threading.Semaphore(REQUESTS_PER_HOST))

    def _check_status(self, host: str, reply: HttpReply) -> None:
        delay = _retry_after(reply.headers.get("retry-after", ""))
        if reply.status == httpx.codes.TOO_MANY_REQUESTS or (reply.status == 503 and delay):
            pause = delay or DEFAULT_RETRY_AFTER
            with self._lock:
                self._blocked_until[host] = self._now() + pause
            raise RegistryUnavailable(wording.asks_to_wait_with(host, reply.status), pause)
        if reply.status >= 500:
            raise RegistryUnavailable(wording.unavailable(host, reply.status))


@cache
def tls_context() -> ssl.SSLContext:
    """Loading all certificate authorities takes a moment, so it is done once."""
    return httpx.create_ssl_context()


def is_public(address: str) -> bool:
    """Also checks addresses that embed another address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


class _PublicOnlyTransport(httpx.BaseTransport):
    """Connects to the address that was checked, with the requested host name."""

    def __init__(self, context: ssl.SSLContext, is_public_address: Callable[[str], bool]) -> None:
        self._inner = httpx.HTTPTransport(verify=context)
        self._is_public = is_public_address

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        address = self._resolve_public(host, request.url.port or 443)
        inner = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return self._inner.handle_request(inner)

    def _resolve_public(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpx.ConnectError(wording.UNKNOWN_HOST) from None
        addresses = [str(item[4][0]) for item in found]
        good = [item for item in addresses if self._is_public(item)]
        if not good:
            raise _PrivateAddress(host)
        return good[0]

    def close(self) -> None:
        self._inner.close()


class _PrivateAddress(httpx.ConnectError):
    def __init__(self, host: str) -> None:
        super().__init__(wording.private_network(host))


def _read_bounded(answer: httpx.Response, max_bytes: int, deadline: float, now: Callable[[], float]) -> bytes:
    body = bytearray()
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > max_bytes:
            raise RegistryRefused(wording.response_too_large(max_bytes))
        if now() > deadline:
            raise httpx.ReadTimeout("too slow")
    return bytes(body)


def _error_message(host: str, error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return wording.timed_out(host)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return wording.untrusted_certificate(host)
    return wording.no_response(host, type(error).__name__)


def _host(url: httpx.URL) -> str:
    """With its port, if that isn't the default."""
    if not url.host:
        raise ValueError("a URL without a host")
    return url.netloc.decode("ascii").rpartition("@")[2]


def _retry_after(text: str) -> float:
    """Retry-After: seconds, or a date."""
    if text.isascii() and text.isdigit():
        return min(MAX_RETRY_AFTER, float(text[:9]))
    try:
        return min(MAX_RETRY_AFTER, max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()))
    except (TypeError, ValueError):
        return 0.0
