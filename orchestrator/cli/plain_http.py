"""GET with the standard library, because importing httpx takes longer than most commands run.

Redirects aren't followed: the token would be sent to wherever they lead.
"""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode


class HttpFailure(Exception):
    """No response, or none that is HTTP."""


@dataclass(frozen=True, slots=True)
class PlainResponse:
    status: int
    content: bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def get(
    url: str, headers: Mapping[str, str], timeout: float, *, trust_env: bool, ca_file: Path | None = None
) -> PlainResponse:
    """``url`` must be HTTP or HTTPS. ``trust_env``: use the proxies that the environment names."""
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if not trust_env:
        handlers.append(urllib.request.ProxyHandler({}))
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=tls_context(ca_file)))
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


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Trusts ``ca_file`` alone, or else this machine's certificate authorities, and those that Python packages bring,
    for machines without any. Raises CliError."""
    if ca_file is not None:
        try:
            return ssl.create_default_context(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise CliError(
                wording.server.authority_unusable(ca_file, error.strerror or str(error)),
                wording.server.USE_PEM,
                ExitCode.USAGE,
            ) from error
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
