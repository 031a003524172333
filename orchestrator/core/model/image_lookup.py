"""Images as values: what a commit wants, what each place that was asked said, and what was pinned (I1, I2).

Eph finds images and builds none. A tag may be moved; so the first that answers is pinned to its digest once for each
commit, and what runs is that very digest however often it is built again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Fallback(StrEnum):
    """What happens without an image of this commit."""

    USE = "use"
    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image of an eph.yaml, for one commit: everything in it is already filled in. ``notes``: the ref of git notes
    that may name it, else empty. ``tag``, ``pattern`` and ``fallback_tag`` may be empty too."""

    name: str
    repository: str
    notes: str = ""
    tag: str = ""
    pattern: str = ""
    max_age: timedelta | None = None
    labels: tuple[tuple[str, str], ...] = ()
    fallback_tag: str = ""
    fallback: Fallback = Fallback.USE
    wait: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class ImagePin:
    """``reference`` names a digest; ``how`` says which place named it, for ``eph why``."""

    reference: str
    how: str


@dataclass(frozen=True, slots=True)
class ImageResult:
    """How one image was looked for. ``messages``: what each place that had none said, in order, up to the first that
    had one. ``error``: a place that could not be asked, which says nothing of the image; so nothing after it was asked.
    ``unreachable``: it may answer later by itself, after ``retry_after`` seconds if it said so; else somebody must act.
    """

    name: str
    messages: tuple[str, ...] = ()
    pin: ImagePin | None = None
    error: str = ""
    unreachable: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageLookup:
    """The last look for the images of a commit, and ``since`` when they are looked for. ``consecutive_errors``: how
    often in a row a place could not be asked."""

    commit: str
    requests: tuple[ImageRequest, ...]
    since: datetime
    at: datetime
    results: tuple[ImageResult, ...] = ()
    consecutive_errors: int = 0
