"""An environment put to sleep and woken: its processes end and start, everything else stays as it is.

Routes say so first, and stop saying so last: whoever comes in between is held by the gateway, and never sees a service
that is going or not there yet. That it sleeps lies in supervisord's own files, so a supervisor that was killed, or a
machine that was started anew, brings nothing up that should sleep. Databases stay: the server is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from programs.local import routes, services, supervision, traces
from programs.local.identifiers import Program
from programs.local.settings import Settings


def sleep(settings: Settings, name: str) -> None:
    _tell(settings, name, asleep=True)
    supervision.rest(settings, [str(item) for item in _programs(settings, name)])


def wake(settings: Settings, name: str, patient: bool) -> None:
    """All at once, as they were started; the first that does not answer is the reason that is given."""
    found = _programs(settings, name)
    supervision.resume(settings, [str(item) for item in found])
    if patient and found:
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(lambda item: services.await_again(settings, item), found))
    _tell(settings, name, asleep=False)


def _programs(settings: Settings, name: str) -> list[Program]:
    return [item for item in traces.programs(settings) if item.environment == name]


def _tell(settings: Settings, name: str, asleep: bool) -> None:
    for route in _routes(settings, name):
        if route.asleep != asleep:
            routes.put(settings, replace(route, asleep=asleep))


def _routes(settings: Settings, name: str) -> Iterable[routes.Route]:
    return [route for route in routes.every(settings) if route.environment == name]
