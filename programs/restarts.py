"""A restart of services that a person requests, in the same form for every target."""

from __future__ import annotations

from collections.abc import Iterable

from programs import wording


class RestartUnavailable(LookupError):
    """Nothing can be restarted there at the moment; the message says why and what to do."""


def select(services: Iterable[str], service: str, environment: str) -> list[str]:
    """The services to restart: ``service``, or all of them if it is empty. Raises ``RestartUnavailable``."""
    known = sorted(set(services))
    if not known:
        raise RestartUnavailable(wording.nothing_to_restart(environment))
    if service and service not in known:
        raise RestartUnavailable(wording.no_such_service(environment, service, known))
    return [service] if service else known
