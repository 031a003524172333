"""Registries in memory, for stories and for whoever writes against the port."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from orchestrator.images.errors import Absent, RegistryError
from orchestrator.images.port import Image
from programs.images import Reference


class FakeRegistries:
    """``down``: what every question is answered with while it is set. ``asked`` counts them."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}
        self._images: dict[str, Image] = {}
        self.down: RegistryError | None = None
        self.asked = 0

    # --- the port

    def digest(self, image: Reference) -> str:
        found = self._listed(image).get(image.tag)
        if found is None:
            raise Absent("is not in its registry")
        return found

    def image(self, image: Reference) -> Image:
        self._ask()
        if image.digest not in self._images:
            raise Absent("is not in its registry")
        return self._images[image.digest]

    def tags(self, image: Reference) -> tuple[str, ...]:
        return tuple(sorted(self._listed(image)))

    # --- the world

    def push(
        self,
        name: str,
        tag: str,
        created: datetime | None = None,
        labels: Mapping[str, str] | None = None,
        architectures: frozenset[str] = frozenset({"amd64"}),
    ) -> str:
        """A new image each time, also for a tag that is there already; gives its digest."""
        digest = f"sha256:{hashlib.sha256(f'{name} {tag} {len(self._images)}'.encode()).hexdigest()}"
        self._tags.setdefault(name, {})[tag] = digest
        self._images[digest] = Image(architectures, created, dict(labels or {}))
        return digest

    def _listed(self, image: Reference) -> Mapping[str, str]:
        self._ask()
        return self._tags.get(image.name, {})

    def _ask(self) -> None:
        self.asked += 1
        if self.down is not None:
            raise self.down
