"""Registries in three verbs, and what an image says of itself. All of them block, and are called from threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from programs.image_references import ImageReference


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """``unread_reason``: why its labels and its age could not be had."""

    architectures: frozenset[str]
    created: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    unread_reason: str = ""


class Registries(Protocol):
    """Each raises ``Absent`` when the registry says so, and another ``RegistryError`` when nothing is known."""

    def digest(self, image: ImageReference) -> str:
        """Of the tag that it names."""

    def image(self, image: ImageReference) -> ImageInfo:
        """Of the digest that it names: of an index, one of the cluster's architectures speaks for all."""

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        """All of its repository."""
