"""Registries in three methods, and the metadata of an image. All methods block, and are called from threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from programs.image_references import ImageReference


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """``unread_reason``: why its labels and age couldn't be read."""

    architectures: frozenset[str]
    created: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    unread_reason: str = ""


class Registries(Protocol):
    """Each raises ``ImageNotFound`` if the registry says so, and another ``RegistryError`` if nothing is known."""

    def digest(self, image: ImageReference) -> str:
        """The digest of its tag."""

    def image(self, image: ImageReference) -> ImageInfo:
        """The image with its digest. For an index, one of the cluster's architectures represents all."""

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        """All tags of its repository."""
