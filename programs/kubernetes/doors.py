"""The environment's host names at the gateway: the same files as the local target writes, pointing to the ingress.

The gateway passes ``Host`` on as it was asked for, so one ingress controller serves every environment by its name.
"""

from __future__ import annotations

from pathlib import Path

from programs.local import routes
from programs.local.routes import Route
from programs.local.settings import Settings

put = routes.put
remove = routes.remove
__all__ = ["Route", "folder", "of", "put", "remove"]


def folder(path: str) -> Settings:
    """The folder that the gateway reads."""
    return Settings(root=Path(path), routes=Path(path))


def of(path: str, environment: str) -> list[Route]:
    return [route for route in routes.every(folder(path)) if route.environment == environment]
