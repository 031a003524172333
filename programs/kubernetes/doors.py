"""The environment's host names at the gateway: the same files as the local target writes, pointing to the ingress.

The gateway passes ``Host`` on as it was asked for, so one ingress controller serves every environment by its name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from programs.local import routes
from programs.local.routes import Route
from programs.local.settings import Settings

TARGET = "kubernetes"
remove = routes.remove
__all__ = ["Route", "every", "folder", "of", "put", "remove"]


def put(folder_: Settings, route: Route) -> None:
    routes.put(folder_, replace(route, target=TARGET))


def folder(path: str) -> Settings:
    """The folder that the gateway reads."""
    return Settings(root=Path(path), routes=Path(path))


def every(path: str) -> list[Route]:
    return list(routes.every(folder(path), TARGET)) if path else []


def of(path: str, environment: str) -> list[Route]:
    return [route for route in every(path) if route.environment == environment]
