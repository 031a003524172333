"""OAuth for MCP clients: a client finds out by itself how to get a token, and a person confirms it on the dashboard."""
