"""The state that travels through an OAuth provider: signed, for one preview and one browser, for ten minutes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass

LIFETIME_SECONDS = 600
MAX_LENGTH = 8192
_PURPOSE = b"eph oauth state"


@dataclass(frozen=True, slots=True)
class OAuthState:
    """``path``: the app's callback. ``inner``: the app's own state, which it gets back. ``browser``: a hash of the
    cookie of the browser that began the sign-in."""

    host: str
    path: str
    inner: str
    browser: str
    nonce: str
    until: int


def create(host: str, path: str, inner: str, browser: str, now: float) -> OAuthState:
    return OAuthState(host, path, inner, hash_of(browser), secrets.token_urlsafe(16), int(now) + LIFETIME_SECONDS)


def hash_of(browser: str) -> str:
    return hashlib.sha256(browser.encode("utf-8", "replace")).hexdigest()


def seal(key: bytes, state: OAuthState) -> str:
    body = base64.urlsafe_b64encode(json.dumps(asdict(state), separators=(",", ":")).encode()).decode().rstrip("=")
    return f"{body}.{_sign(key, body)}"


def unseal(key: bytes, text: str, now: float) -> OAuthState | None:
    """None unless it was sealed with this key and is still valid."""
    body, _, signature = text.partition(".")
    if not key or len(text) > MAX_LENGTH:
        return None
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _sign(key, body).encode()):
        return None
    try:
        found = OAuthState(**json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (ValueError, TypeError, binascii.Error):
        return None
    return found if now < found.until else None


def _sign(key: bytes, body: str) -> str:
    own_key = hmac.digest(key, _PURPOSE, "sha256")
    return hmac.new(own_key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
