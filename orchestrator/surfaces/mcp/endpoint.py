"""``/mcp``: checks the token as the API does, then hands the request to the MCP package."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

from fastapi import FastAPI, Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.authentication import Authenticator, unauthorized
from orchestrator.surfaces.mcp.agent_tools import AgentTools
from orchestrator.surfaces.mcp.confirmations import DestroyConfirmations
from orchestrator.surfaces.mcp.oauth import routes as oauth_routes


@dataclass(frozen=True, slots=True)
class McpEndpoint:
    """An ASGI app. Reading may be public on the API; here a token is always required, because agents act."""

    service: EnvironmentService
    authenticator: Authenticator
    settings: ApiSettings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method != "POST":
            raise ApiError(405, wording.mcp.METHOD_NOT_ALLOWED, wording.mcp.POST_ONLY)
        caller = await self.authenticator.caller(request)
        if caller.role is None:
            raise unauthorized(oauth_routes.resource_metadata_url(self.settings))
        from orchestrator.surfaces.mcp.mcp_server import serve_request

        tools = AgentTools(
            service=for_caller(self.service, caller),
            caller=caller,
            confirmations=DestroyConfirmations(_derived_key(self.settings.session_key)),
            now=self.settings.clock,
            pause=asyncio.sleep,
            exec_role=self.settings.exec_role,
        )
        await serve_request(tools, self.settings.version, scope, receive, send)


def install(app: FastAPI, service: EnvironmentService, authenticator: Authenticator, settings: ApiSettings) -> None:
    app.router.routes.append(Route(oauth_routes.RESOURCE_PATH, endpoint=McpEndpoint(service, authenticator, settings)))


def _derived_key(session_key: bytes) -> bytes:
    return hmac.new(session_key, b"mcp confirmations", hashlib.sha256).digest()
