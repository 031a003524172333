"""Forwards HTTP and WebSocket traffic to an upstream: headers, connections, addresses."""
