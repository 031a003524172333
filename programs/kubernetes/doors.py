"""The environment's host names at the gateway: the same files as the local target writes.

They point to the ingress controller, which serves every environment by its name: the gateway passes ``Host`` on as it
was asked for. Or, where the gateway is a pod of the cluster and stands in front, straight to the service: by its name
as pods know it, without the cluster's domain, which their resolver adds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from programs.kubernetes.settings import Settings as Target
from programs.local import routes
from programs.local.routes import Route
from programs.local.settings import Settings

TARGET = "kubernetes"
remove = routes.remove
__all__ = ["Route", "every", "folder", "of", "put", "remove", "upstream"]


def put(folder_: Settings, route: Route) -> None:
    routes.put(folder_, replace(route, target=TARGET))


def upstream(on: Target, namespace: str, service: str, port: int) -> str:
    """Nothing: the gateway has no way to it."""
    return f"http://{service}.{namespace}.svc:{port}" if on.front == "eph" else on.ingress_url


def folder(path: str) -> Settings:
    """The folder that the gateway reads."""
    return Settings(root=Path(path), routes=Path(path))


def every(path: str) -> list[Route]:
    return list(routes.every(folder(path), TARGET)) if path else []


def of(path: str, environment: str) -> list[Route]:
    return [route for route in every(path) if route.environment == environment]
