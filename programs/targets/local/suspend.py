"""Puts an environment to sleep, wakes it and restarts it: its processes stop and start, everything else stays.

Routes are marked first and unmarked last, so the gateway holds any request in between, and nobody sees a service that
is stopping or starting. The state is in supervisord's own files, so a restarted supervisor or machine doesn't start
environments that are asleep. Databases keep running, because environments share the server.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from programs import restarts
from programs.kit import routes
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import disk
from programs.kit.processes import supervisor
from programs.targets.local import cleanup, supervised_services
from programs.targets.local.settings import LocalSettings


def sleep(settings: LocalSettings, name: str) -> None:
    routes.mark(settings.routes, name, asleep=True)
    supervisor.suspend(settings, [str(item) for item in _programs(settings, name)])


def wake(settings: LocalSettings, name: str, wait: bool) -> None:
    """Starts all processes at once. If some don't respond, the error is about the first of them."""
    disk.check(settings, name)
    found = _programs(settings, name)
    supervisor.resume(settings, [str(item) for item in found])
    if wait and found:
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(lambda item: supervised_services.wait_after_restart(settings, item), found))
    routes.mark(settings.routes, name, asleep=False)


def restart(settings: LocalSettings, name: str, service: str) -> list[str]:
    """A restart that is cut short leaves a stopped process, which the next cycle starts."""
    found = _programs(settings, name)
    services = restarts.select((item.service for item in found), service, name)
    supervisor.restart(settings, [str(item) for item in found if item.service in services])
    return services


def _programs(settings: LocalSettings, name: str) -> list[ProgramName]:
    return [item for item in cleanup.list_programs(settings) if item.environment == name]
