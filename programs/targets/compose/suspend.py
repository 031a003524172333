"""Puts an environment to sleep, wakes it and restarts it: its containers stop and start, everything else stays.

Routes are marked first and unmarked last, so the gateway holds any request in between. Which containers ran is in a
file: a service that had completed before doesn't run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from programs import restarts
from programs.kit import files, routes
from programs.kit.errors import TargetError
from programs.targets.compose import labels, readiness, releases, wording
from programs.targets.compose.engine import engine_client
from programs.targets.compose.engine.engine_client import Data
from programs.targets.compose.environments import TARGET_NAME
from programs.targets.compose.inventory import RESTARTED
from programs.targets.compose.settings import ComposeHost

STOPS = 8


def sleep(host: ComposeHost, name: str) -> None:
    routes.mark(host.routes, name, TARGET_NAME, asleep=True)
    with engine_client.connect(host) as client:
        running = [item for item in client.containers(host, name) if item["State"] in RESTARTED]
        _remember(host, name, [item["Labels"].get(labels.SERVICE, "") for item in running])
        with ThreadPoolExecutor(STOPS) as pool:
            list(pool.map(client.stop, [item["Id"] for item in running]))


def wake(host: ComposeHost, name: str, wait: bool) -> None:
    plan = releases.live_plan(host, name)
    if plan is None:
        raise TargetError(wording.never_completed(name))
    with engine_client.connect(host) as client:
        containers = {item["Labels"].get(labels.SERVICE, ""): item for item in client.containers(host, name)}
        ran = _remembered(host, name)
        stopped: dict[str, Data] = {
            service: item
            for service, item in containers.items()
            if item["State"] not in RESTARTED and _starts(service, item, ran, readiness.completed(plan, service))
        }
        readiness.start_in_order(client, stopped, plan, host.start_seconds)
        if wait:
            readiness.wait_for_routes(client, containers.values(), plan)
    routes.mark(host.routes, name, TARGET_NAME, asleep=False)
    _file(host, name).unlink(missing_ok=True)


def restart(host: ComposeHost, name: str, service: str) -> list[str]:
    """Restarts what runs. A service that completed before doesn't run again."""
    with engine_client.connect(host) as client:
        running = [item for item in client.containers(host, name) if item["State"] in RESTARTED]
        services = restarts.select((item["Labels"].get(labels.SERVICE, "") for item in running), service, name)
        wanted = [item["Id"] for item in running if item["Labels"].get(labels.SERVICE, "") in services]
        with ThreadPoolExecutor(STOPS) as pool:
            list(pool.map(client.restart, wanted))
    return services


def _starts(service: str, container: Data, ran: frozenset[str] | None, completes: bool) -> bool:
    """A container that never ran is started, too: the environment was created asleep."""
    if container["State"] == "created":
        return True
    return not completes and (ran is None or service in ran)


def _file(host: ComposeHost, name: str) -> Path:
    return host.env(name) / "asleep.json"


def _remember(host: ComposeHost, name: str, services: Iterable[str]) -> None:
    """In addition to what an interrupted attempt stopped."""
    files.write(_file(host, name), json.dumps(sorted({*(_remembered(host, name) or ()), *services})))


def _remembered(host: ComposeHost, name: str) -> frozenset[str] | None:
    try:
        return frozenset(json.loads(_file(host, name).read_text()))
    except FileNotFoundError:
        return None
