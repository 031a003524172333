"""ID tokens that must not count, from a provider that signs whatever the test wants. Row: S1."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.oauth_client import OAuthClient
from orchestrator.auth.sign_in.oidc import Claims, OidcProvider
from orchestrator.auth.sign_in.port import Person, SignInFailed

CLIENT_ID = "eph-client"
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "1"}) for _ in range(2))
ATTEMPT = Attempt("state", "nonce", "v" * 64)
FAR = int(time.time()) + 3600


@dataclass(slots=True)
class HostileProvider:
    """``id_token`` and ``userinfo`` are what it returns; ``document`` overrides its discovery document."""

    issuer: str = ""
    id_token: str = ""
    userinfo: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)

    def claims(self, **more: Any) -> dict[str, Any]:
        good = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "1",
            "exp": FAR,
            "nonce": ATTEMPT.nonce,
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


@pytest.fixture
def hostile() -> Iterator[HostileProvider]:
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
    yield provider
    server.shutdown()
    server.server_close()


async def identify(hostile: HostileProvider, name_claim: str = "email") -> Person:
    client = OAuthClient(CLIENT_ID, "secret", ("openid",))
    provider = OidcProvider(hostile.issuer, client, Claims(name_claim), time.time)
    return await provider.identify("code", ATTEMPT, "http://localhost/auth/callback")


def sign(claims: dict[str, Any], key: Any = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, algorithms=[alg])


async def test_good_token_counts(hostile: HostileProvider) -> None:
    hostile.id_token = sign(hostile.claims())
    assert await identify(hostile) == Person("ada@example.com", frozenset({"platform"}))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://accounts.example.com"},
        {"aud": "another-client"},
        {"aud": [], "azp": None},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"nonce": "of-another-attempt"},
        {"nonce": None},
        {"sub": None},
        {"email": None},
        {"email": ""},
        {"email": ["ada@example.com"]},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"nbf": FAR},
    ],
)
async def test_token_with_other_claims_is_refused(hostile: HostileProvider, change: dict[str, Any]) -> None:
    hostile.id_token = sign(hostile.claims(**change))
    with pytest.raises(SignInFailed):
        await identify(hostile)


async def test_token_with_another_signature_is_refused(hostile: HostileProvider) -> None:
    """A key that isn't the provider's, no signature, and its public key or the client's secret as a shared key."""
    claims = hostile.claims()
    head, body, _ = sign(claims).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    forged = [
        sign(claims, OTHER_KEY),
        f"{head}.{body}.",
        f"{unsigned}.{body}.",
        _shared_key(claims, KEY.as_pem(private=False)),
        _shared_key(claims, b"secret"),
        "",
        "x",
        "..",
    ]
    for token in forged:
        hostile.id_token = token
        with pytest.raises(SignInFailed):
            await identify(hostile)


def _shared_key(claims: dict[str, Any], key: bytes) -> str:
    """By hand, because the library refuses to do it."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "1"}, claims)]
    signed = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    seal = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}"


async def test_userinfo_of_another_person_is_refused(hostile: HostileProvider) -> None:
    hostile.id_token = sign(hostile.claims(groups=None))
    hostile.userinfo = {"sub": "2", "groups": ["platform"]}
    with pytest.raises(SignInFailed, match="another person"):
        await identify(hostile)
    hostile.userinfo = {"sub": "1", "groups": ["engineers"], "email": "mallory@example.com"}
    assert await identify(hostile) == Person("ada@example.com", frozenset({"engineers"}))


@pytest.mark.parametrize("groups", ["platform", {"platform": 1}, 7, None, [["platform"]]])
async def test_groups_in_another_shape_give_no_role(hostile: HostileProvider, groups: object) -> None:
    hostile.id_token = sign(hostile.claims(groups=groups))
    hostile.userinfo = {"sub": "1"}
    assert "platform" not in (await identify(hostile)).groups


@pytest.mark.parametrize(
    "document", [{"issuer": "https://accounts.example.com"}, {"jwks_uri": None}, {"token_endpoint": 7}]
)
async def test_other_issuer_or_broken_document_is_a_sentence(
    hostile: HostileProvider, document: dict[str, Any]
) -> None:
    hostile.id_token, hostile.document = sign(hostile.claims()), document
    with pytest.raises(SignInFailed, match=r"provider|describe"):
        await identify(hostile)


async def test_absent_provider_is_a_sentence() -> None:
    with pytest.raises(SignInFailed, match="doesn't respond"):
        await identify(HostileProvider("http://127.0.0.1:1"))
