"""The paths by which an MCP client finds Eph's authorization server and gets a token. The MCP package is imported with
the first request.

Metadata by RFC 9728 (the resource) and RFC 8414 (the server), registration by RFC 7591.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.auth.agent_authorizations import SCOPES, AgentAuthorizations
from orchestrator.auth.token_service import TokenService
from orchestrator.surfaces.api.api_settings import ApiSettings

RESOURCE_PATH = "/mcp"
RESOURCE_METADATA_PATH = f"/.well-known/oauth-protected-resource{RESOURCE_PATH}"
SERVER_METADATA_PATH = "/.well-known/oauth-authorization-server"
AUTHORIZE_PATH, TOKEN_PATH, REGISTER_PATH = "/oauth/authorize", "/oauth/token", "/oauth/register"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def resource_metadata_url(settings: ApiSettings) -> str:
    """Where a client learns how to get a token; empty if people can't sign in, or if tokens would be sent without
    TLS."""
    if settings.sign_in is None or settings.token_service is None:
        return ""
    parts = urlsplit(settings.sign_in.url)
    if parts.scheme != "https" and (parts.hostname or "") not in _LOOPBACK:
        return ""
    return f"{settings.sign_in.url}{RESOURCE_METADATA_PATH}"


def install(app: FastAPI, settings: ApiSettings, authorizations: AgentAuthorizations) -> None:
    if not resource_metadata_url(settings) or settings.sign_in is None or settings.token_service is None:
        return
    endpoints = _Endpoints(authorizations, settings.token_service, settings.sign_in.url)
    for path in (RESOURCE_METADATA_PATH, SERVER_METADATA_PATH, AUTHORIZE_PATH, TOKEN_PATH, REGISTER_PATH):
        app.router.routes.append(Route(path, endpoint=_Endpoint(endpoints, path)))


class _Endpoints:
    """The package's handlers by path, created with the first request."""

    def __init__(self, authorizations: AgentAuthorizations, tokens: TokenService, url: str) -> None:
        self._authorizations, self._tokens, self._url = authorizations, tokens, url
        self._apps: dict[str, ASGIApp] = {}

    def app(self, path: str) -> ASGIApp:
        if not self._apps:
            self._apps = self._create()
        return self._apps[path]

    def _create(self) -> dict[str, ASGIApp]:
        from mcp.server.auth.handlers.authorize import AuthorizationHandler
        from mcp.server.auth.handlers.metadata import MetadataHandler, ProtectedResourceMetadataHandler
        from mcp.server.auth.handlers.register import RegistrationHandler
        from mcp.server.auth.handlers.token import TokenHandler
        from mcp.server.auth.middleware.client_auth import ClientAuthenticator
        from mcp.server.auth.routes import cors_middleware
        from mcp.server.auth.settings import ClientRegistrationOptions
        from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
        from pydantic import AnyHttpUrl
        from starlette.routing import request_response

        from orchestrator.surfaces.mcp.oauth.provider import PUBLIC_CLIENT, AgentOAuthProvider

        url = self._url
        provider = AgentOAuthProvider(self._authorizations, self._tokens, url, f"{url}{RESOURCE_PATH}")
        scopes = list(SCOPES)
        resource = ProtectedResourceMetadata(
            resource=AnyHttpUrl(provider.resource),
            authorization_servers=[AnyHttpUrl(url)],
            scopes_supported=scopes,
            resource_name="Eph",
        )
        server = OAuthMetadata(
            issuer=AnyHttpUrl(url),
            authorization_endpoint=AnyHttpUrl(url + AUTHORIZE_PATH),
            token_endpoint=AnyHttpUrl(url + TOKEN_PATH),
            registration_endpoint=AnyHttpUrl(url + REGISTER_PATH),
            scopes_supported=scopes,
            response_types_supported=["code"],
            grant_types_supported=["authorization_code"],
            token_endpoint_auth_methods_supported=[PUBLIC_CLIENT],
            code_challenge_methods_supported=["S256"],
        )
        register = RegistrationHandler(provider, ClientRegistrationOptions(enabled=True))
        token = TokenHandler(provider, ClientAuthenticator(provider))
        reading, sending = ["GET", "OPTIONS"], ["POST", "OPTIONS"]
        return {
            RESOURCE_METADATA_PATH: cors_middleware(ProtectedResourceMetadataHandler(resource).handle, reading),
            SERVER_METADATA_PATH: cors_middleware(MetadataHandler(server).handle, reading),
            REGISTER_PATH: cors_middleware(register.handle, sending),
            TOKEN_PATH: cors_middleware(token.handle, sending),
            # A person's browser is redirected here; no page's script may read it.
            AUTHORIZE_PATH: request_response(AuthorizationHandler(provider).handle),
        }


@dataclass(frozen=True, slots=True)
class _Endpoint:
    endpoints: _Endpoints
    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.endpoints.app(self.path)(scope, receive, send)
