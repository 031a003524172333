"""Puts an environment to sleep, wakes it and restarts it: its processes stop and start, everything else stays.

Routes are marked first and unmarked last, so the gateway holds any request in between, and nobody sees a service that
is stopping or starting. The state is in supervisord's own files, so a restarted supervisor or machine doesn't start
environments that are asleep. PostgreSQL keeps running, because environments share it; the environment's own servers
stop last and start first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from programs import restarts
from programs.kit import routes
from programs.kit.database import suspensions
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import disk
from programs.kit.processes import supervisor
from programs.kit.routes import RouteRecord
from programs.targets.local import cleanup, environment_servers, supervised_services
from programs.targets.local.settings import LocalSettings


def sleep(settings: LocalSettings, name: str) -> None:
    routes.mark(settings.routes, name, asleep=True)
    for group in filter(None, reversed(_start_groups(settings, name))):
        supervisor.suspend(settings, [str(item) for item in group])


def wake(settings: LocalSettings, name: str, wait: bool) -> None:
    """Starts all servers at once, then all services. If some don't respond, the error is about the first of them."""
    disk.check(settings, name)
    suspensions.lift(settings, name)
    listed: list[RouteRecord] = []
    for group in filter(None, _start_groups(settings, name)):
        supervisor.resume(settings, [str(item) for item in group])
        listed = listed or routes.list_of(settings.routes, name)  # while they start
        if wait:
            with ThreadPoolExecutor(len(group)) as pool:
                list(pool.map(lambda item: _wait_after_restart(settings, item), group))
    routes.mark_routes(settings.routes, listed or routes.list_of(settings.routes, name), asleep=False)


def restart(settings: LocalSettings, name: str, service: str) -> list[str]:
    """A restart that is cut short leaves a stopped process, which the next cycle starts."""
    found = _start_groups(settings, name)[-1]
    suspensions.lift(settings, name)
    services = restarts.select((item.service for item in found), service, name)
    supervisor.restart(settings, [str(item) for item in found if item.service in services])
    return services


def _start_groups(settings: LocalSettings, name: str) -> tuple[list[ProgramName], list[ProgramName]]:
    """Its servers, which services need when they start, and its services."""
    found = [item for item in cleanup.list_programs(settings) if item.environment == name]
    return [item for item in found if cleanup.is_server(item)], [item for item in found if not cleanup.is_server(item)]


def _wait_after_restart(settings: LocalSettings, program: ProgramName) -> None:
    wait = environment_servers if cleanup.is_server(program) else supervised_services
    wait.wait_after_restart(settings, program)
