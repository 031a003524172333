"""Host names of an environment's services."""

from __future__ import annotations


def environment_host(host: str) -> str:
    """The environment of an additional service: ``api--shop-x-1.localhost`` belongs to ``shop-x-1.localhost``."""
    first, _, rest = host.partition(".")
    _, mark, name = first.partition("--")
    return f"{name}.{rest}" if mark and name else host
