"""A repository's build cache, as targets list it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheArchive:
    """``repository`` is its ID at the Git host. Times are in seconds since the epoch: ``used`` is when a build last
    read or wrote it, ``seen`` when an environment of the repository last existed."""

    repository: str
    size: int
    used: float
    seen: float
