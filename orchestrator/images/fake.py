"""Registries in memory, for stories and for development against the port."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from orchestrator.images.errors import ImageNotFound, RegistryError
from orchestrator.images.port import ImageInfo
from programs.image_references import ImageReference


class FakeRegistries:
    """``error`` is returned for every request while it is set. ``requests`` counts requests."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}
        self._images: dict[str, ImageInfo] = {}
        self.error: RegistryError | None = None
        self.requests = 0

    # --- the port

    def digest(self, image: ImageReference) -> str:
        found = self._tags_of(image).get(image.tag)
        if found is None:
            raise ImageNotFound("not found in the registry")
        return found

    def image(self, image: ImageReference) -> ImageInfo:
        self._count_request()
        if image.digest not in self._images:
            raise ImageNotFound("not found in the registry")
        return self._images[image.digest]

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        return tuple(sorted(self._tags_of(image)))

    # --- verbs of tests

    def push(
        self,
        name: str,
        tag: str,
        created: datetime | None = None,
        labels: Mapping[str, str] | None = None,
        architectures: frozenset[str] = frozenset({"amd64"}),
    ) -> str:
        """Pushes a new image, even for an existing tag, and returns its digest."""
        digest = f"sha256:{hashlib.sha256(f'{name} {tag} {len(self._images)}'.encode()).hexdigest()}"
        self._tags.setdefault(name, {})[tag] = digest
        self._images[digest] = ImageInfo(architectures, created, dict(labels or {}))
        return digest

    def _tags_of(self, image: ImageReference) -> Mapping[str, str]:
        self._count_request()
        return self._tags.get(image.name, {})

    def _count_request(self) -> None:
        self.requests += 1
        if self.error is not None:
            raise self.error
