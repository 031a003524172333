"""A coding agent's side of MCP, with the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


class Agent:
    """Calls tools, and keeps what it called with the outcome: a recorded session."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.session: list[tuple[str, bool]] = []

    async def call(self, tool: str, /, **given: Any) -> dict[str, Any]:
        """The result; an error is a result too, with ``error``."""
        answer = await self.client.call_tool(tool, given)
        self.session.append((tool, answer.is_error))
        result: dict[str, Any] = answer.structured_content
        assert result["next"], f"{tool} doesn't say what to do next"
        return result


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[Agent]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=120, trust_env=False) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield Agent(client)
