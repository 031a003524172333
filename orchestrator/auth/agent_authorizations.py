"""Lets a coding agent's client act as a person, after OAuth 2.1's authorization code flow with PKCE.

A client registers itself, sends a person to the dashboard, and gets a code once that person has confirmed. It exchanges
the code for a token of that person. Neither clients nor requests are stored: both are signed texts, so any number of
clients can register, and they survive a restart. Only confirmed codes are in memory, for a minute, and each works once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from orchestrator.auth import tokens, wording
from orchestrator.auth.identities import Caller, Role

CONSENT_PATH = "/oauth/consent"
"""The page on the dashboard."""
REQUEST_LIFETIME = timedelta(minutes=10)
CODE_LIFETIME = timedelta(minutes=1)
MAX_CODES = 1000
MAX_NAME = 80
MAX_REDIRECTS = 5
MAX_SIGNED = 1900
"""A request is part of a URL to return to after a sign-in."""
SCOPES = {"viewer": Role.VIEWER, "developer": Role.DEVELOPER}
DEFAULT_SCOPE = "developer"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EDITOR_SCHEMES = ("cursor", "vscode", "vscode-insiders", "windsurf")


class AuthorizationRefused(Exception):
    """The client or its request isn't acceptable; the message says why."""


@dataclass(frozen=True, slots=True)
class AgentClient:
    """``name`` is what the client says about itself."""

    id: str
    name: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """A client that wants to act as a person with the role of ``scope``. ``client`` is the digest of its ID,
    ``challenge`` PKCE's, ``state`` the client's."""

    client: str
    name: str
    redirect_uri: str
    challenge: str
    state: str = ""
    scope: str = DEFAULT_SCOPE
    explicit: bool = True
    """Whether the client named the redirect URI in its request."""


@dataclass(frozen=True, slots=True)
class AgentGrant:
    """A confirmed request."""

    request: AgentRequest
    person: Caller
    expires_at: datetime

    @property
    def role(self) -> Role:
        return min(self.person.role or Role.VIEWER, SCOPES[self.request.scope])


class AgentAuthorizations:
    def __init__(self, key: bytes, clock: Callable[[], datetime]) -> None:
        self._key = hmac.digest(key, b"eph agent authorizations", "sha256")
        self._clock = clock
        self._grants: dict[str, AgentGrant] = {}
        self._lock = threading.Lock()

    def register(self, name: str, redirect_uris: tuple[str, ...]) -> AgentClient:
        """Raises AuthorizationRefused."""
        if not 1 <= len(redirect_uris) <= MAX_REDIRECTS:
            raise AuthorizationRefused(wording.redirect_uri_count(MAX_REDIRECTS))
        for uri in redirect_uris:
            if not _is_allowed(uri):
                raise AuthorizationRefused(wording.redirect_uri_not_allowed(uri[:100]))
        shown = "".join(char for char in name if char.isprintable())[:MAX_NAME] or wording.UNNAMED_CLIENT
        signed = self._sign("client", {"name": shown, "uris": redirect_uris})
        return AgentClient(signed, shown, redirect_uris)

    def client(self, client_id: str) -> AgentClient | None:
        content = self._open("client", client_id)
        return AgentClient(client_id, content["name"], tuple(content["uris"])) if content else None

    def seal(self, request: AgentRequest) -> str:
        """Raises AuthorizationRefused."""
        until = int((self._clock() + REQUEST_LIFETIME).timestamp())
        return self._sign("request", {**asdict(request), "until": until})

    def unseal(self, text: str) -> AgentRequest | None:
        """None if it isn't ours, or too old."""
        content = self._open("request", text)
        if content is None or content.pop("until") < self._clock().timestamp():
            return None
        return AgentRequest(**content)

    def approve(self, request: AgentRequest, person: Caller) -> str:
        """The code for the client. Raises AuthorizationRefused."""
        now = self._clock()
        with self._lock:
            self._grants = {key: item for key, item in self._grants.items() if now < item.expires_at}
            if len(self._grants) >= MAX_CODES:
                raise AuthorizationRefused(wording.TOO_MANY_CODES)
            code = secrets.token_urlsafe(32)
            self._grants[tokens.hash_token(code)] = AgentGrant(request, person, now + CODE_LIFETIME)
            return code

    def grant(self, code: str) -> AgentGrant | None:
        with self._lock:
            found = self._grants.get(tokens.hash_token(code))
        return found if found and self._clock() < found.expires_at else None

    def take(self, code: str) -> AgentGrant | None:
        """The grant, once."""
        found = self.grant(code)
        with self._lock:
            taken = self._grants.pop(tokens.hash_token(code), None)
        return found if taken is not None else None

    def _sign(self, purpose: str, content: dict[str, Any]) -> str:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        signed = f"{body}.{self._signature(purpose, body)}"
        if len(signed) > MAX_SIGNED:
            raise AuthorizationRefused(wording.CLIENT_TOO_LONG)
        return signed

    def _open(self, purpose: str, text: str) -> dict[str, Any] | None:
        body, _, signature = text.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(purpose, body).encode()):
            return None
        content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return content

    def _signature(self, purpose: str, body: str) -> str:
        mac = hmac.new(self._key, f"{purpose}\n{body}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


def client_digest(client_id: str) -> str:
    """The ID is too long to be part of a URL twice."""
    return hashlib.sha256(client_id.encode()).hexdigest()[:32]


def _is_allowed(uri: str) -> bool:
    """TLS, this person's own machine, or an app on it: schemes with a dot belong to a domain's owner (RFC 8252)."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not (uri.isascii() and uri.isprintable()) or parts.fragment or parts.username:
        return False
    if parts.scheme == "http":
        return host in _LOOPBACK
    return bool(host and parts.scheme == "https") or "." in parts.scheme or parts.scheme in _EDITOR_SCHEMES
