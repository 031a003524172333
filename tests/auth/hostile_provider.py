"""An identity provider that signs whatever a test wants, and the forgeries that must not count."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "eph-client"
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "1"}) for _ in range(2))
FAR = int(time.time()) + 3600
FORGED_CLAIMS: Mapping[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://accounts.example.com"},
    "another audience": {"aud": "another-client"},
    "no audience": {"aud": [], "azp": None},
    "two audiences, authorized for another": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "expired": {"exp": int(time.time()) - 3600},
    "no expiry": {"exp": None},
    "the nonce of another attempt": {"nonce": "of-another-attempt"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "no email address": {"email": None},
    "an empty email address": {"email": ""},
    "a list of email addresses": {"email": ["ada@example.com"]},
    "an unverified email address": {"email_verified": False},
    "an email address that may be verified": {"email_verified": None},
    "an email address verified in words": {"email_verified": "true"},
    "not valid yet": {"nbf": FAR},
}


@dataclass(slots=True)
class HostileProvider:
    """``id_token`` and ``userinfo`` are what it returns; ``document`` overrides its discovery document."""

    issuer: str = ""
    id_token: str = ""
    userinfo: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    nonce: str = "nonce"

    def claims(self, **more: Any) -> dict[str, Any]:
        good = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "1",
            "exp": FAR,
            "nonce": self.nonce,
            "email": "ada@example.com",
            "email_verified": True,
            "groups": ["platform"],
        }
        return {key: value for key, value in {**good, **more}.items() if value is not None}

    def response(self, path: str) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.document,
            }
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False)]}
        if path == "/userinfo":
            return self.userinfo
        return {"access_token": "a", "token_type": "Bearer", "id_token": self.id_token}


@contextmanager
def serving_provider() -> Iterator[HostileProvider]:
    provider = HostileProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(provider.response(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def sign(claims: dict[str, Any], key: Any = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, algorithms=[alg])


def forged_signatures(claims: dict[str, Any]) -> dict[str, str]:
    """Good claims in tokens that the provider didn't sign."""
    head, body, _ = sign(claims).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    return {
        "another key": sign(claims, OTHER_KEY),
        "no signature": f"{head}.{body}.",
        "the algorithm none": f"{unsigned}.{body}.",
        "the public key as a shared key": _shared_key(claims, KEY.as_pem(private=False)),
        "the client's secret as a shared key": _shared_key(claims, b"secret"),
        "nothing": "",
        "one letter": "x",
        "two dots": "..",
    }


def _shared_key(claims: dict[str, Any], key: bytes) -> str:
    """By hand, because the library refuses to do it."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "1"}, claims)]
    signed = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    seal = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}"
