"""The environment's host names at the gateway, in the same route files as the local target's.

A route points to the ingress controller, which serves every environment by name: the gateway passes ``Host`` on
unchanged. If the gateway is a pod of the cluster and the front, a route points directly to the service, by its name
without the cluster's domain, which the pods' resolver adds, and has the paths that other services answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from programs.kit import routes
from programs.kit.routes import PathRoute, RouteRecord
from programs.targets.kubernetes.rendering.namespace_objects import PathBackend
from programs.targets.kubernetes.settings import KubernetesSettings as Target

TARGET = "kubernetes"
remove = routes.delete
__all__ = ["PathRoute", "RouteRecord", "list_routes", "mark", "path_routes", "remove", "routes_of", "upstream", "write"]


def write(folder: Path, route: RouteRecord) -> None:
    routes.write(folder, replace(route, target=TARGET))


def upstream(settings: Target, namespace: str, service: str, port: int) -> str:
    """Empty if the gateway can't reach it."""
    return f"http://{service}.{namespace}.svc:{port}" if settings.front == "eph" else settings.ingress_url


def path_routes(settings: Target, namespace: str, paths: Iterable[PathBackend]) -> list[PathRoute]:
    """None if an Ingress or HTTPRoute routes them."""
    if settings.front != "eph":
        return []
    return [PathRoute(item.path, item.exact, upstream(settings, namespace, *item.backend)) for item in paths]


def list_routes(path: str) -> list[RouteRecord]:
    """Those in the folder that the gateway reads."""
    return list(routes.list_routes(Path(path), TARGET)) if path else []


def routes_of(path: str, environment: str) -> list[RouteRecord]:
    return routes.list_of(Path(path), environment, TARGET) if path else []


def mark(path: str, environment: str, *, asleep: bool) -> None:
    if path:
        routes.mark(Path(path), environment, TARGET, asleep=asleep)
