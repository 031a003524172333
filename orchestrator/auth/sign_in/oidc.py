"""OpenID Connect: any provider with discovery.

The ID token counts only if it is signed by one of the provider's keys, names exactly this issuer and this client,
hasn't expired, and contains the nonce of the attempt. Groups may also be in the response of the userinfo endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from orchestrator.auth import wording
from orchestrator.auth.sign_in import oauth_client
from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.oauth_client import Endpoints, OAuthClient
from orchestrator.auth.sign_in.port import Person, SignInFailed

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by the provider only. With ``HS256`` the client's secret would be a key, and with ``none`` anything."""
LEEWAY_SECONDS = 60
DISCOVERY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Claims:
    """The names of the claims that Eph reads."""

    name: str = "email"
    groups: str = "groups"


class OidcProvider:
    """``issuer`` as in the provider's own documents. ``now`` returns seconds since the epoch."""

    def __init__(self, issuer: str, client: OAuthClient, claims: Claims, now: Callable[[], float]) -> None:
        self._issuer, self._client, self._claims, self._now = issuer, client, claims, now
        self._document: dict[str, Any] = {}
        self._read_at = float("-inf")

    @property
    def label(self) -> str:
        return urlsplit(self._issuer).hostname or self._issuer

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        return self._client.authorization_url(_endpoints(await self._discover()), attempt, redirect_uri)

    async def identify(self, code: str, attempt: Attempt, redirect_uri: str) -> Person:
        found = await self._discover()
        token = await self._client.exchange(_endpoints(found), code, attempt, redirect_uri)
        keys = await oauth_client.get_json(_text(found, "jwks_uri"))
        claims = await asyncio.to_thread(self._verify, str(token.get("id_token", "")), keys, attempt.nonce)
        if self._claims.groups not in claims and "userinfo_endpoint" in found:
            claims = await self._with_userinfo(claims, _text(found, "userinfo_endpoint"), token)
        return Person(self._name(claims), self._groups(claims))

    async def _discover(self) -> dict[str, Any]:
        """Kept for a minute: anyone can start a sign-in, which must not become a request to the provider each time."""
        if self._now() - self._read_at > DISCOVERY_SECONDS:
            self._document = await self._read_document()
            self._read_at = self._now()
        return self._document

    async def _read_document(self) -> dict[str, Any]:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await oauth_client.get_json(url)
        if not isinstance(found, dict) or found.get("issuer") != self._issuer:
            raise SignInFailed(wording.other_issuer(url, self._issuer))
        return found

    def _verify(self, id_token: str, keys: Any, nonce: str) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._client.client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            token = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))
            registry.validate(token.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise SignInFailed(wording.invalid_id_token(type(error).__name__)) from error
        claims = dict(token.claims)
        if claims.get("azp", self._client.client_id) != self._client.client_id:
            raise SignInFailed(wording.ID_TOKEN_OF_OTHER_APP)
        return claims

    async def _with_userinfo(self, claims: Mapping[str, Any], url: str, token: Mapping[str, Any]) -> dict[str, Any]:
        """What the ID token says takes precedence. The response must be about the same person."""
        found = await oauth_client.get_json(url, str(token.get("access_token", "")))
        if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            raise SignInFailed(wording.USERINFO_OF_OTHER_PERSON)
        return {**found, **claims}

    def _name(self, claims: Mapping[str, Any]) -> str:
        """An address that the provider hasn't verified could be somebody else's."""
        name = claims.get(self._claims.name)
        if not isinstance(name, str) or not name.strip():
            raise SignInFailed(wording.claim_missing(self._claims.name))
        if self._claims.name == "email" and claims.get("email_verified") is not True:
            raise SignInFailed(wording.EMAIL_UNVERIFIED)
        return name.strip()

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        found = claims.get(self._claims.groups, ())
        return frozenset(str(group) for group in found) if isinstance(found, list | tuple) else frozenset()


def _endpoints(found: Mapping[str, Any]) -> Endpoints:
    methods = found.get("token_endpoint_auth_methods_supported") or ()
    return Endpoints(
        _text(found, "authorization_endpoint"), _text(found, "token_endpoint"), "client_secret_post" in methods
    )


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value:
        raise SignInFailed(wording.configuration_lacks(key))
    return value
