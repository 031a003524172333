"""A restart of services that a person requests, in the same form for every target."""

from __future__ import annotations

from collections.abc import Iterable


class RestartUnavailable(LookupError):
    """Nothing can be restarted there at the moment; the message says why and what to do."""


def select(services: Iterable[str], service: str, environment: str) -> list[str]:
    """The services to restart: ``service``, or all of them if it is empty. Raises ``RestartUnavailable``."""
    known = sorted(set(services))
    if not known:
        raise RestartUnavailable(f"Nothing of {environment} runs that could be restarted.")
    if service and service not in known:
        raise RestartUnavailable(f"{environment} has no service {service!r}. Services: {', '.join(known)}.")
    return [service] if service else known
