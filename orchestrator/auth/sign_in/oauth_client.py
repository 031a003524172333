"""The steps that OpenID Connect and plain OAuth share, over Authlib. Errors of the library and of the network become
``SignInFailed``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]  # it has no types
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]  # nor here

from orchestrator.auth import wording
from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.port import SignInFailed

TIMEOUT = 10.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """``secret_in_body``: how the provider wants the client's secret, otherwise as basic authentication."""

    authorize: str
    token: str
    secret_in_body: bool = True


@dataclass(frozen=True, slots=True)
class OAuthClient:
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]

    def authorization_url(self, endpoints: Endpoints, attempt: Attempt, redirect_uri: str) -> str:
        url, _ = self._session(redirect_uri, endpoints).create_authorization_url(
            endpoints.authorize, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.verifier
        )
        return str(url)

    async def exchange(self, endpoints: Endpoints, code: str, attempt: Attempt, redirect_uri: str) -> dict[str, Any]:
        """The token response for ``code``."""
        with translated_errors():
            async with self._session(redirect_uri, endpoints) as session:
                token = await session.fetch_token(
                    endpoints.token,
                    code=code,
                    code_verifier=attempt.verifier,
                    headers={"Accept": "application/json"},
                )
        return dict(token)

    def _session(self, redirect_uri: str, endpoints: Endpoints) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            client_id=self.client_id,
            client_secret=self.client_secret,
            token_endpoint_auth_method="client_secret_post" if endpoints.secret_in_body else "client_secret_basic",
            scope=" ".join(self.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT,
            trust_env=uses_environment(endpoints.token),
        )


async def get_json(url: str, token: str = "") -> Any:
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    with translated_errors():
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=uses_environment(url)) as client:
            answer = await client.get(url, headers=headers)
            answer.raise_for_status()
            return answer.json()


def uses_environment(url: str) -> bool:
    """A proxy from the environment is for external hosts, not for this machine."""
    return urlsplit(url).hostname not in _LOOPBACK


@contextmanager
def translated_errors() -> Iterator[None]:
    try:
        yield
    except AuthlibBaseError as error:
        raise SignInFailed(wording.provider_refused(error.error)) from error
    except httpx.HTTPStatusError as error:
        raise SignInFailed(wording.provider_returned(error.response.status_code)) from error
    except httpx.HTTPError as error:
        raise SignInFailed(wording.provider_silent(type(error).__name__)) from error
    except ValueError as error:
        raise SignInFailed(wording.PROVIDER_NOT_JSON) from error
