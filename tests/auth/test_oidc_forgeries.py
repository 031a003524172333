"""ID tokens that must not count, from a provider that signs whatever the test wants. Row: S1."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.oauth_client import OAuthClient
from orchestrator.auth.sign_in.oidc import Claims, OidcProvider
from orchestrator.auth.sign_in.port import Person, SignInFailed
from tests.auth.hostile_provider import (
    CLIENT_ID,
    FORGED_CLAIMS,
    HostileProvider,
    forged_signatures,
    serving_provider,
    sign,
)

ATTEMPT = Attempt("state", "nonce", "v" * 64)


@pytest.fixture
def hostile() -> Iterator[HostileProvider]:
    with serving_provider() as provider:
        yield provider


async def identify(hostile: HostileProvider, name_claim: str = "email") -> Person:
    client = OAuthClient(CLIENT_ID, "secret", ("openid",))
    provider = OidcProvider(hostile.issuer, client, Claims(name_claim), time.time)
    return await provider.identify("code", ATTEMPT, "http://localhost/auth/callback")


async def test_good_token_counts(hostile: HostileProvider) -> None:
    hostile.id_token = sign(hostile.claims())
    assert await identify(hostile) == Person("ada@example.com", frozenset({"platform"}))


@pytest.mark.parametrize("change", FORGED_CLAIMS.values(), ids=FORGED_CLAIMS)
async def test_token_with_other_claims_is_refused(hostile: HostileProvider, change: dict[str, Any]) -> None:
    hostile.id_token = sign(hostile.claims(**change))
    with pytest.raises(SignInFailed):
        await identify(hostile)


async def test_token_with_another_signature_is_refused(hostile: HostileProvider) -> None:
    """A key that isn't the provider's, no signature, and its public key or the client's secret as a shared key."""
    for token in forged_signatures(hostile.claims()).values():
        hostile.id_token = token
        with pytest.raises(SignInFailed):
            await identify(hostile)


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
