"""What the MCP package's authorization handlers ask for, answered from ``AgentAuthorizations`` and the token service.

The handlers check client, redirect URI, PKCE and expiry. Tokens are ordinary ones of the person: listed, audited,
revoked and limited like any other. There are no refresh tokens: after 30 days the person confirms again.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import quote

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    IdentityAssertionParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    RegistrationError,
    TokenError,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyUrl

from orchestrator.auth.agent_authorizations import (
    CONSENT_PATH,
    DEFAULT_SCOPE,
    SCOPES,
    AgentAuthorizations,
    AgentRequest,
    AuthorizationRefused,
    client_digest,
)
from orchestrator.auth.token_service import TokenService
from orchestrator.auth.token_store import TokensUnavailable
from orchestrator.surfaces import wording

PUBLIC_CLIENT = "none"
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class AgentOAuthProvider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """``url`` is the dashboard's, ``resource`` the endpoint's."""

    authorizations: AgentAuthorizations
    tokens: TokenService
    url: str
    resource: str

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        found = self.authorizations.client(client_id)
        if found is None:
            return None
        return OAuthClientInformationFull(
            client_id=client_id,
            client_name=found.name,
            redirect_uris=[AnyUrl(uri) for uri in found.redirect_uris],
            token_endpoint_auth_method=PUBLIC_CLIENT,
            grant_types=["authorization_code"],
            scope=" ".join(SCOPES),
        )

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """A client can't keep a secret, so it gets none: PKCE protects its codes."""
        try:
            client = self.authorizations.register(
                client_info.client_name or "", tuple(str(uri) for uri in client_info.redirect_uris or ())
            )
        except AuthorizationRefused as error:
            raise RegistrationError("invalid_redirect_uri", str(error)) from error
        client_info.client_id = client.id
        client_info.client_secret = client_info.client_secret_expires_at = None
        client_info.token_endpoint_auth_method = PUBLIC_CLIENT
        client_info.grant_types = ["authorization_code"]
        client_info.scope = " ".join(SCOPES)

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        if params.resource is not None and params.resource.rstrip("/") != self.resource:
            raise AuthorizeError("invalid_target", wording.mcp.issues_tokens_for(self.resource))
        if not _S256_CHALLENGE.fullmatch(params.code_challenge):
            raise AuthorizeError("invalid_request", wording.mcp.INVALID_CHALLENGE)
        request = AgentRequest(
            client=client_digest(client.client_id),
            name=client.client_name or "",
            redirect_uri=str(params.redirect_uri),
            challenge=params.code_challenge,
            state=params.state or "",
            scope=_scope(params.scopes),
            explicit=params.redirect_uri_provided_explicitly,
        )
        try:
            return f"{self.url}{CONSENT_PATH}?request={quote(self.authorizations.seal(request))}"
        except AuthorizationRefused as error:
            raise AuthorizeError("invalid_request", str(error)) from error

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        found = self.authorizations.grant(authorization_code)
        if found is None or found.request.client != client_digest(client.client_id):
            return None
        return AuthorizationCode(
            code=authorization_code,
            scopes=[found.request.scope],
            expires_at=found.expires_at.timestamp(),
            client_id=client.client_id,
            code_challenge=found.request.challenge,
            redirect_uri=AnyUrl(found.request.redirect_uri),
            redirect_uri_provided_explicitly=found.request.explicit,
            resource=self.resource,
            subject=found.person.name,
        )

    async def exchange_authorization_code(
        self,
        client: OAuthClientInformationFull,
        authorization_code: AuthorizationCode,
    ) -> OAuthToken:
        grant = self.authorizations.take(authorization_code.code)
        if grant is None:
            raise TokenError("invalid_grant", wording.mcp.USED_CODE)
        try:
            issued = await asyncio.to_thread(
                self.tokens.issue_client_token, grant.person, grant.request.name, most=grant.role
            )
        except TokensUnavailable as error:
            raise TokenError("invalid_request", str(error)) from error
        token = issued.token
        lifetime = (
            int((token.expires_at - token.created_at).total_seconds())
            if token.expires_at and token.created_at
            else None
        )
        return OAuthToken(access_token=issued.secret, expires_in=lifetime, scope=grant.role.name.lower())

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return None

    async def exchange_refresh_token(
        self,
        client: OAuthClientInformationFull,
        refresh_token: RefreshToken,
        scopes: list[str],
    ) -> OAuthToken:
        raise TokenError("invalid_grant", wording.mcp.NO_REFRESH_TOKENS)

    async def exchange_identity_assertion(
        self,
        client: OAuthClientInformationFull,
        params: IdentityAssertionParams,
    ) -> OAuthToken:
        raise TokenError("unsupported_grant_type", wording.mcp.NO_ASSERTIONS)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return None

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        """Not offered: people revoke tokens on the dashboard."""


def _scope(scopes: list[str] | None) -> str:
    """The highest of those that the client wants."""
    wanted = [scope for scope in SCOPES if scope in (scopes or [DEFAULT_SCOPE])]
    return max(wanted, key=SCOPES.__getitem__, default=DEFAULT_SCOPE)
