"""A sign-in in progress, kept in the browser in a signed cookie.

It ties the provider's response to the browser that started the sign-in: nobody can sign somebody else in with their own
account by sending them a link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Attempt:
    """``verifier`` is PKCE's. ``to`` is the page that the person wanted."""

    state: str
    nonce: str
    verifier: str
    to: str = "/"

    @staticmethod
    def start(to: str) -> Attempt:
        return Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), to)


def seal(key: bytes, attempt: Attempt, now: datetime) -> str:
    """The cookie's value."""
    content = {**asdict(attempt), "until": int((now + LIFETIME).timestamp())}
    body = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
    return f"{body}.{_sign(key, body)}"


def unseal(key: bytes, value: str, now: datetime) -> Attempt | None:
    """None if the cookie isn't ours or is too old."""
    body, _, signature = value.partition(".")
    if not hmac.compare_digest(signature.encode(), _sign(key, body).encode()):
        return None
    content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if content.pop("until") < now.timestamp():
        return None
    return Attempt(**content)


def _sign(key: bytes, body: str) -> str:
    own_key = hmac.digest(key, b"eph sign-in attempt", "sha256")
    return hmac.new(own_key, body.encode(), hashlib.sha256).hexdigest()
