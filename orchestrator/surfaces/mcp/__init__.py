"""Tools for coding agents over the Model Context Protocol (P11): the same service as the API, with the token's role and
repositories. The package ``mcp`` is imported with the first request, so that ephd starts without it."""
