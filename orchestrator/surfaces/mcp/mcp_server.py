"""The tools behind the official MCP package. A server is created for each request, because it acts for its caller."""

from __future__ import annotations

from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from orchestrator.surfaces.mcp import tool_catalog
from orchestrator.surfaces.mcp.agent_tools import AgentTools
from orchestrator.surfaces.mcp.tool_catalog import INSTRUCTIONS, TOOLS


def create_server(tools: AgentTools, version: str) -> Server[Any]:
    async def list_tools(_: Any, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_describe(name) for name in TOOLS])

    async def call_tool(_: Any, request: types.CallToolRequestParams) -> types.CallToolResult:
        result, failed = await tool_catalog.call(tools, request.name, request.arguments or {})
        text = types.TextContent(type="text", text=tool_catalog.to_text(result))
        return types.CallToolResult(content=[text], structured_content=result, is_error=failed)

    return Server(
        "eph", version=version, instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool
    )  # fmt: skip


def _describe(name: str) -> types.Tool:
    tool = TOOLS[name]
    hints = types.ToolAnnotations(
        read_only_hint=not tool.changes, destructive_hint=tool.destroys, open_world_hint=False
    )  # fmt: skip
    schema = tool.arguments.model_json_schema()
    return types.Tool(name=name, description=tool.description, input_schema=schema, annotations=hints)


async def serve_request(tools: AgentTools, version: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Stateless: each request stands for itself, so any replica can serve it and a restart ends no session."""
    manager = StreamableHTTPSessionManager(create_server(tools, version), stateless=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)
