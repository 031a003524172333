"""Looks up the images of one commit: in registries, and in its git notes at the Git host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from orchestrator.core.model.image_lookup import ImageResult
from orchestrator.core.planning.plan_actions import Find
from orchestrator.forges.port import Forge, ForgeError, ForgeUnavailable, Repository
from orchestrator.images.errors import RegistryError, RegistryRefused, RegistryUnavailable
from orchestrator.images.image_resolver import ImageResolver
from orchestrator.images.port import Registries
from orchestrator.images.registry_policy import RegistryPolicy
from orchestrator.runtime import wording


class ImageFinder:
    """``access``: which registries each target may use. A target that isn't listed doesn't support images."""

    def __init__(
        self,
        access: Mapping[str, RegistryPolicy],
        registries: Callable[[RegistryPolicy], Registries],
        forge: Forge,
        now: Callable[[], datetime],
    ) -> None:
        self._forge = forge
        self._access = access
        self._registries = registries
        self._now = now
        self._finders: dict[RegistryPolicy, ImageResolver] = {}

    def find(self, action: Find, repository: Repository) -> tuple[ImageResult, ...]:
        """Blocking. One result for each remaining image. An image that crashes our own code affects only itself."""
        policy = self._access.get(action.target)
        if policy is None:
            return tuple(
                ImageResult(wish.name, error=wording.problems.images_not_supported(action.target))
                for wish in action.remaining
            )

        finder = self._finder(policy.for_repository(repository.full_name))

        def note(ref: str) -> str:
            return self._note(repository, action.commit, ref)

        return tuple(finder.find(wish, note, wish.name in action.fallback_names) for wish in action.remaining)

    def _finder(self, policy: RegistryPolicy) -> ImageResolver:
        """One for each set of credentials, because a finder caches what it was allowed to read."""
        if policy not in self._finders:
            self._finders[policy] = ImageResolver(policy, self._registries(policy), self._now)
        return self._finders[policy]

    def _note(self, repository: Repository, commit: str, ref: str) -> str:
        try:
            return self._forge.note(repository, commit, ref)
        except ForgeError as error:
            raise _as_registry_error(error) from error


def _as_registry_error(error: ForgeError) -> RegistryError:
    """The error that the Git host returned instead of a note."""
    if isinstance(error, ForgeUnavailable):
        return RegistryUnavailable(wording.problems.note_unavailable(error), error.retry_after or 0.0)
    return RegistryRefused(wording.problems.note_not_read(error))
