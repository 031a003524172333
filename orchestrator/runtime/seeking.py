"""Looking for the images of one commit: at registries, and in its git notes at the Git host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from orchestrator.core.actions import Find
from orchestrator.core.images import Answer
from orchestrator.forge.port import Forge, ForgeError, ForgeUnavailable, Repository
from orchestrator.images.access import Access
from orchestrator.images.errors import Refused, RegistryError, Unavailable
from orchestrator.images.finding import Finder
from orchestrator.images.port import Registries


class Seeker:
    """``access``: by target, whom it may ask; a target that is not among them runs no images."""

    def __init__(
        self,
        access: Mapping[str, Access],
        registries: Callable[[Access], Registries],
        forge: Forge,
        now: Callable[[], datetime],
    ) -> None:
        self._forge = forge
        self._finders = {target: Finder(reach, registries(reach), now) for target, reach in access.items()}

    def find(self, action: Find, repository: Repository) -> tuple[Answer, ...]:
        """Blocking. One answer for each that is left; an image that breaks our own code is its own trouble alone."""
        finder = self._finders.get(action.target)
        if finder is None:
            return tuple(
                Answer(wish.name, trouble=f"the target {action.target} finds no images") for wish in action.left
            )

        def note(ref: str) -> str:
            return self._note(repository, action.commit, ref)

        return tuple(finder.find(wish, note, wish.name in action.fall_back) for wish in action.left)

    def _note(self, repository: Repository, commit: str, ref: str) -> str:
        try:
            return self._forge.note(repository, commit, ref)
        except ForgeError as error:
            raise _translated(error) from error


def _translated(error: ForgeError) -> RegistryError:
    """What the Git host says instead of a note."""
    if isinstance(error, ForgeUnavailable):
        return Unavailable(f"cannot be asked for just now: {error}", error.retry_after or 0.0)
    return Refused(f"cannot be read: {error}")
