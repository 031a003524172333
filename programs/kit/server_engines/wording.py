"""What people read about the servers that an environment runs for itself."""

from __future__ import annotations

MAIL_CATCHER = "The mail catcher"


def unknown_engine(name: str, engines: str) -> str:
    return f"Unknown database engine {name!r}. Engines: {engines}."
