"""The phase of an environment: computed from facts each time, stored nowhere."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    QUEUED = "queued"
    WAITING = "waiting"
    """For checks, a debounce, a backoff, or facts that are not known yet."""
    CREATING = "creating"
    UPDATING = "updating"
    STARTING = "starting"
    """``up`` succeeded; the URL has not answered its health check yet."""
    READY = "ready"
    UNHEALTHY = "unhealthy"
    """It was ready, and its URL no longer answers."""
    FAILED = "failed"
    STALLED = "stalled"
    """Failed as often as it is tried; waits for a new commit, a person, or the hour."""
    REFUSED = "refused"
    """Not made: a wrong eph.yaml, a fork, an untrusted author, a limit of the server."""
    ASLEEP = "asleep"
    HELD = "held"
    EXPIRED = "expired"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"
