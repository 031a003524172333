"""Where a browser goes after it has signed in."""

from __future__ import annotations

MAX_LENGTH = 2048


def safe_path(path: str) -> str:
    """A path on the same site. Anything that a browser could take for another site becomes the root page."""
    plain = path.isascii() and path.isprintable() and "\\" not in path and len(path) <= MAX_LENGTH
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
