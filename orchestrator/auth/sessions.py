"""Signed browser sessions. A session contains its end and the hash of its token, so it ends with its token."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from orchestrator.auth.tokens import Token


def create_session(key: bytes, token: Token, ends: datetime) -> str:
    body = f"{int(ends.timestamp())}.{token.sha256}"
    return f"{body}.{_sign(key, body)}"


def token_hash(key: bytes, session: str, now: datetime) -> str:
    """The hash of the session's token; empty if the session is invalid or has ended."""
    until, _, rest = session.partition(".")
    digest, _, signature = rest.partition(".")
    if not until.isdecimal() or not hmac.compare_digest(signature.encode(), _sign(key, f"{until}.{digest}").encode()):
        return ""
    return "" if int(until) < int(now.timestamp()) else digest


def _sign(key: bytes, body: str) -> str:
    mac = hmac.new(key, body.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
