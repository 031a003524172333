"""Writes route files for the environment's host names, like other targets.

Visitors connect to the load balancer, not to the gateway. But ephd checks through the gateway whether an environment
responds, so a route leads to where visitors connect: the host name itself, with the load balancer's protocol and port.
The gateway passes ``Host`` on unchanged, and the load balancer routes by it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from programs.kit import routes
from programs.kit.routes import RouteRecord
from programs.targets.aws.api.existing_parts import ExistingParts
from programs.targets.aws.settings import AwsSettings

TARGET = "aws"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def upstream(settings: AwsSettings, shared: ExistingParts, host: str) -> str:
    if settings.load_balancer_url:
        return settings.load_balancer_url
    scheme = shared.listener_scheme or ("https" if settings.certificate else "http")
    port = shared.listener_port or _DEFAULT_PORTS[scheme]
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def write(folder: str, route: RouteRecord) -> None:
    routes.write(Path(folder), replace(route, target=TARGET, sole=False))


def remove(folder: str, host: str, environment: str, service: str) -> None:
    if folder:
        routes.delete(Path(folder), host, environment, service)


def remove_host(folder: str, host: str) -> None:
    for route in list_routes(folder):
        if route.host == host:
            remove(folder, host, route.environment, route.service)


def list_routes(folder: str) -> list[RouteRecord]:
    """This target's routes in the folder that the gateway reads."""
    return list(routes.list_routes(Path(folder), TARGET)) if folder else []


def mark(folder: str, environment: str, *, asleep: bool) -> None:
    if folder:
        routes.mark(Path(folder), environment, TARGET, asleep=asleep)
