"""``eph mcp``: Eph's tools for a coding agent."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command("mcp")
def mcp_() -> None:
    """Serve Eph's tools to a coding agent (MCP).

    The agent starts it and talks to it on standard input and output. It acts with your token, or the one in EPH_TOKEN.

    Examples:
        eph mcp
    """
    from orchestrator.cli import extras

    extras.require_mcp("eph mcp")
    from orchestrator.cli import mcp_bridge
    from orchestrator.cli.api_client import connect

    with connect() as client:
        client.get("whoami")  # an invalid token or an unreachable server is an error here, before the agent connects
        mcp_bridge.run(client)
