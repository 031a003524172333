"""Requests to the services that issue tokens. Their addresses come from the operator's files, never from a pull
request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from orchestrator.images import wording
from orchestrator.images.errors import RegistryRefused, RegistryUnavailable
from orchestrator.images.registry_http import TIMEOUT, tls_context

_LOOPBACK = ("127.0.0.1", "localhost")
_MAX_REASON = 200


def read_key_file(path: Path, *names: str) -> Mapping[str, str]:
    """The operator's JSON file, reread with each renewal, so that a key can be rotated."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {**{name: str(data[name]) for name in names}, "authority": str(data.get("authority") or "")}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RegistryRefused(wording.key_file_unreadable(path, ", ".join(names), type(error).__name__)) from None


def post_form(url: str, form: Mapping[str, str]) -> Mapping[str, Any]:
    """What the service answers as JSON."""
    return _object(url, lambda client: client.post(url, data=dict(form)))


def get(url: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
    return _object(url, lambda client: client.get(url, headers=dict(headers)), plain=True)


def text_of(answer: Mapping[str, Any], name: str, url: str) -> str:
    found = answer.get(name)
    if not isinstance(found, str) or not found:
        raise RegistryRefused(wording.no_token(_host(url)))
    return found


def _object(url: str, send: Any, *, plain: bool = False) -> Mapping[str, Any]:
    parts = urlsplit(url)
    if parts.scheme != "https" and not plain and parts.hostname not in _LOOPBACK:
        raise RegistryRefused(wording.token_service_without_tls(_host(url)))
    try:
        with httpx.Client(verify=tls_context(), timeout=TIMEOUT, follow_redirects=False) as client:
            reply: httpx.Response = send(client)
    except httpx.HTTPError as error:
        raise RegistryUnavailable(wording.no_response(_host(url), type(error).__name__)) from None
    except (httpx.InvalidURL, ValueError):
        raise RegistryRefused(wording.invalid_token_url(_host(url))) from None
    if reply.status_code >= 500 or reply.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise RegistryUnavailable(wording.unavailable(_host(url), reply.status_code))
    data = _json(reply)
    if reply.status_code != httpx.codes.OK or not isinstance(data, dict):
        raise RegistryRefused(wording.login_refused(_host(url), reply.status_code, _reason(data)))
    return data


def _json(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except (ValueError, RecursionError):
        return None


def _reason(data: Any) -> str:
    """Both clouds follow OAuth 2; an ACR answers with a list of errors. Neither repeats a secret."""
    if not isinstance(data, dict):
        return ""
    errors = data.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return str(data.get("error") or first.get("code") or "")[:_MAX_REASON]


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url[:_MAX_REASON]
