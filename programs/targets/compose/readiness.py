"""Starts containers in the order that the compose file sets, and waits until public services respond."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from functools import partial
from urllib.parse import urlsplit

import httpx2

from programs.kit.errors import TargetError
from programs.kit.waiting import pause, wait_until
from programs.targets.compose import labels, wording
from programs.targets.compose.engine import engine_client
from programs.targets.compose.engine.engine_client import Data, EngineClient
from programs.targets.compose.publication import PublicRoute
from programs.targets.compose.releases import ReleasePlan

POLL_SECONDS = 0.1
REQUEST_SECONDS = 5.0
LOG_LINES = 20
HEALTHY = "service_healthy"


def wait_for_routes(client: EngineClient, containers: Iterable[Data], plan: ReleasePlan) -> None:
    """Raises with the last lines of a service that ends, or doesn't respond in time."""
    listed = list(containers)
    by_service = {item["Labels"].get(labels.SERVICE): item for item in listed}
    for route in plan.routes:
        upstream, container = plan.upstreams[route.service], by_service.get(route.service)
        is_over = partial(_responds_or_ended, client, upstream, route, container)
        if not wait_until(is_over, route.deadline, POLL_SECONDS) or not responds(upstream, route):
            sentence = wording.no_response(route.service, route.port, route.path, route.deadline)
            raise explain(client, listed, TargetError(sentence, _tail(client, container)))


def _responds_or_ended(client: EngineClient, upstream: str, route: PublicRoute, container: Data | None) -> bool:
    return responds(upstream, route) or _has_ended(client, container)


def _has_ended(client: EngineClient, container: Data | None) -> bool:
    return container is not None and bool(_failure(client.container(container["Id"])["State"]))


def responds(upstream: str, route: PublicRoute) -> bool:
    if not route.path:
        return accepts_connections(upstream)
    try:
        answer = httpx2.get(
            f"{upstream}{route.path}", headers={"Host": route.host}, timeout=REQUEST_SECONDS, trust_env=False
        )
    except httpx2.HTTPError:
        return False
    return answer.status_code < httpx2.codes.BAD_REQUEST


def accepts_connections(upstream: str) -> bool:
    parts = urlsplit(upstream)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=REQUEST_SECONDS).close()
    except OSError:
        return False
    return True


def start_in_order(client: EngineClient, containers: Mapping[str, Data], plan: ReleasePlan, seconds: float) -> None:
    """``containers`` by service: those to start. A service that completed before doesn't run again."""
    waiting = dict(containers)
    until = time.monotonic() + seconds
    while waiting:
        for service in [name for name in waiting if _may_start(client, name, waiting, containers, plan)]:
            client.start(waiting.pop(service)["Id"])
        if waiting and time.monotonic() > until:
            raise TargetError(wording.dependencies_unhealthy(sorted(waiting), seconds))
        if waiting:
            pause(POLL_SECONDS)


def _may_start(
    client: EngineClient,
    service: str,
    waiting: Mapping[str, Data],
    containers: Mapping[str, Data],
    plan: ReleasePlan,
) -> bool:
    planned = plan.services.get(service)
    for other, condition in (planned.after if planned else {}).items():
        if other in waiting:
            return False
        if condition == HEALTHY and other in containers and not _is_healthy(client, containers[other]):
            return False
    return True


def _is_healthy(client: EngineClient, container: Data) -> bool:
    health = client.container(container["Id"])["State"].get("Health")
    return health is None or health.get("Status") == "healthy"


def completed(plan: ReleasePlan, service: str) -> bool:
    """Whether another service waits for its end, so it isn't started again on its own."""
    planned = plan.services.get(service)
    return planned is not None and planned.completes


def _tail(client: EngineClient, container: Data | None) -> list[str]:
    if container is None:
        return []
    terminal = bool(client.container(container["Id"])["Config"].get("Tty"))
    framed = client.log(container["Id"], lines=LOG_LINES)
    return [text for _, text in engine_client.log_lines(framed, terminal)]


def explain(client: EngineClient, containers: Iterable[Data], error: TargetError) -> TargetError:
    """What the error is about: the services that failed, with their last lines."""
    reasons, lines = [], []
    for container in containers:
        state = client.container(container["Id"])["State"]
        if reason := _failure(state):
            service = container["Labels"].get(labels.SERVICE, "")
            reasons.append(wording.service_failed(service, reason))
            lines += [f"{service} | {line}" for line in _tail(client, container)]
    return type(error)(f"{'; '.join(reasons)}.", lines) if reasons else error


def _failure(state: Data) -> str:
    if state.get("OOMKilled"):
        return wording.OUT_OF_MEMORY
    if (state.get("Health") or {}).get("Status") == "unhealthy":
        return wording.UNHEALTHY
    if not state.get("Running") and state.get("ExitCode"):
        return wording.ended_with(state["ExitCode"])
    return ""
