"""Images as values: what a commit needs, the result of the lookup, and what was pinned (I1, I2).

Eph finds images and builds none. A tag can be moved, so the first image found is pinned to its digest, once per commit.
Every later build of that commit runs the same digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FALLBACK_SOURCE = "fallback_tag"
"""How ``ImagePin.how`` begins if the image is only the fallback."""


class Fallback(StrEnum):
    """What to do if there is no image of this commit."""

    USE = "use"
    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """An image from eph.yaml for one commit, with all placeholders replaced.

    ``notes`` is the ref of git notes that may contain it. ``notes``, ``tag``, ``pattern`` and ``fallback_tag`` may be
    empty.
    """

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

    @property
    def can_improve(self) -> bool:
        """Whether the commit can get an image of its own after the fallback was used."""
        return bool(self.notes or self.tag or self.pattern)


@dataclass(frozen=True, slots=True)
class ImagePin:
    """``reference`` contains a digest; ``how`` says where it was found, for ``eph why``."""

    reference: str
    how: str

    @property
    def fallback_tag(self) -> str:
        """The tag, if the image is only the fallback; CI's image can still replace it."""
        return fallback_tag(self.how)


def fallback_tag(how: str) -> str:
    """The fallback's tag, from how an image was found; empty if it is the commit's own."""
    source, _, rest = how.partition(": ")
    return rest.partition(";")[0] if source == FALLBACK_SOURCE else ""


@dataclass(frozen=True, slots=True)
class ImageResult:
    """The result of looking up one image.

    ``messages``: one for each place without the image, up to the first that has it. ``error``: a place that couldn't be
    read, so the lookup stopped there. ``unreachable``: it may respond later, after ``retry_after`` seconds if it said
    so; otherwise a person must act.
    """

    name: str
    messages: tuple[str, ...] = ()
    pin: ImagePin | None = None
    error: str = ""
    unreachable: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageLookup:
    """The last lookup of a commit's images. ``since``: when the lookups started.

    ``consecutive_errors``: how many lookups in a row couldn't read a place.
    """

    commit: str
    requests: tuple[ImageRequest, ...]
    since: datetime
    at: datetime
    results: tuple[ImageResult, ...] = ()
    consecutive_errors: int = 0
