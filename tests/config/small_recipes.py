"""A small eph.yaml and the pull request that it is read for."""

from __future__ import annotations

import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.problems import InvalidConfig
from orchestrator.core.model.world import Recipe
from stacks import keys

HEAD = 'version: "1.0"\nname: shop\n'
WEB = "services: [{name: web, command: run}]\n"
CONTEXT = RecipeContext(
    key=keys.pull_request(12345, 42),
    repository_name="acme/shop",
    head_sha="0123456789abcdef0123456789abcdef01234567",
    head_ref="feature/Größe",
    clone_url="https://git.example.com/acme/shop.git",
    random_words="gentle-stream-k7wq",
    target_settings={"root": "/somewhere"},
)


def make_recipe(text: str, context: RecipeContext = CONTEXT, policy: AdmissionPolicy | None = None) -> Recipe:
    return build_recipe(parse((HEAD + text).encode()), context, policy or AdmissionPolicy())


def config_error(text: str, context: RecipeContext = CONTEXT, policy: AdmissionPolicy | None = None) -> str:
    with pytest.raises(InvalidConfig) as caught:
        make_recipe(text, context, policy)
    return str(caught.value)
