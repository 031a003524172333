"""Branches and tags that eph.yaml selects, as requests for environments."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core import wording
from orchestrator.core.model.world import (
    CheckState,
    Confirmation,
    EnvironmentRequest,
    Existence,
    Recipe,
    RecipeError,
    Trust,
)
from orchestrator.core.util import formatting
from orchestrator.forges.port import Forge, ForgeUnavailable, Repository
from stacks import keys
from stacks.model import Key


def confirm(forge: Forge, repository: Repository, key: Key, ref_name: str) -> Confirmation:
    """Blocking. Lists every branch or tag that starts with the name: a stack's tag may keep only its start."""
    refs = forge.refs(repository, key.kind, (f"{ref_name}**",))
    found = next((name for name in refs.commits if keys.ref(repository.id, key.kind, name) == key), "")
    if found:
        return Confirmation(key, Existence.PRESENT, ref=found)
    if not refs.complete:
        raise ForgeUnavailable(
            f"the {key.kind}es of {repository.full_name} could not be read completely: {refs.reason}"
        )
    return Confirmation(key, Existence.GONE, wording.ref_not_found(key.kind, ref_name))


def to_request(
    repository_name: str,
    key: Key,
    name: str,
    commit: str,
    recipe: Recipe | RecipeError,
    checks: Mapping[str, CheckState],
) -> EnvironmentRequest:
    """People who push a branch or tag to the repository itself have write access."""
    reason = wording.selected_ref(formatting.reference(repository_name, key, name), key.kind)
    title = f"{repository_name}@{name}"
    return EnvironmentRequest(key, commit, name, recipe, reason, Trust.TRUSTED, title, checks=checks)
