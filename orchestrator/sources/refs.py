"""Branches and tags that eph.yaml selects, as requests for environments."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core import wording
from orchestrator.core.model.world import CheckState, EnvironmentRequest, Recipe, RecipeError, Trust
from orchestrator.core.util import formatting
from stacks.model import Key


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
