"""MCP on standard input and output: passes an agent's requests to a server's ``/mcp``, so both offer the same tools."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Any

import anyio
import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from orchestrator.cli import wording
from orchestrator.cli.api_client import ApiClient

TIMEOUT = httpx2.Timeout(30.0, read=120.0)
"""A tool may wait for almost a minute."""


def run(api: ApiClient) -> None:
    """Until the agent closes standard input."""
    anyio.run(_serve, api.url, api.token, not api.is_local)


async def _serve(url: str, token: str, trust_env: bool) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT, trust_env=trust_env) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as remote,
        stdio_server() as (read, write),
    ):
        sys.stderr.write(wording.server.bridge_connected(url))
        server = _relay(remote)
        await server.run(read, write, server.create_initialization_options())


def _relay(remote: Client) -> Server[Any]:
    async def list_tools(_: Any, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return await remote.list_tools()

    async def call_tool(_: Any, request: types.CallToolRequestParams) -> types.CallToolResult:
        return await remote.call_tool(request.name, request.arguments or {})

    return Server(
        "eph",
        version=metadata.version("eph"),
        instructions=remote.instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
