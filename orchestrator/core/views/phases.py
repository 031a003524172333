"""The phase of an environment: always computed from facts (``phase_rules``), never stored."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    QUEUED = "queued"
    WAITING = "waiting"
    """For checks, a debounce, a backoff, the end of a pause, or facts that aren't known yet."""
    IMAGE = "waiting for image"
    """CI hasn't pushed it, or its registry doesn't respond."""
    CREATING = "creating"
    UPDATING = "updating"
    STARTING = "starting"
    """``up`` succeeded; the URL hasn't passed its health check yet."""
    READY = "ready"
    UNHEALTHY = "unhealthy"
    """It was ready, but its URL no longer responds."""
    FAILED = "failed"
    STALLED = "stalled"
    """Failed too often; waits for a new commit, a person, or the hourly retry."""
    REFUSED = "refused"
    """Not created: an invalid eph.yaml, a fork, an untrusted author, a limit of the server."""
    ASLEEP = "asleep"
    """Stopped, with its data kept; a visit wakes it."""
    HELD = "held"
    EXPIRED = "expired"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"


GONE = frozenset({Phase.DESTROYING, Phase.DESTROYED, Phase.EXPIRED})
"""Phases in which nothing of an environment can be changed any more."""
