"""GET with the standard library, because importing httpx takes longer than most commands run.

Redirects aren't followed: the token would be sent to wherever they lead.
"""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError


class HttpFailure(Exception):
    """No response, or none that is HTTP."""


@dataclass(frozen=True, slots=True)
class PlainResponse:
    status: int
    content: bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def get(url: str, headers: Mapping[str, str], timeout: float, *, trust_env: bool) -> PlainResponse:
    """``url`` must be HTTP or HTTPS. ``trust_env``: use the proxies that the environment names."""
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if not trust_env:
        handlers.append(urllib.request.ProxyHandler({}))
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=tls_context()))
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - the client accepts only HTTP and HTTPS
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as response:
            return PlainResponse(response.status, response.read())
    except HTTPError as error:
        with error:
            return PlainResponse(error.code, error.read())
    except URLError as error:
        raise HttpFailure(str(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise HttpFailure(str(error) or type(error).__name__) from error


def tls_context() -> ssl.SSLContext:
    """Trusts this machine's certificate authorities, and those that Python packages bring, for machines without any."""
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
