"""The server's settings: sections, sources and validation."""
