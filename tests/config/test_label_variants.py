"""What labels change in an environment: services turned off, and sizes (Y5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse, validate_text
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.problems import InvalidConfig
from orchestrator.core.model.world import Recipe
from stacks import keys

BOTH = frozenset({"local", "kubernetes"})
POLICY = AdmissionPolicy(installed_targets=BOTH, allowed_targets=BOTH)
CONTEXT = RecipeContext(keys.pull_request(1, 42), "acme/shop", "a1b2c3d4" * 5, "feature/x", "/origin.git", "words-abcd")
FILE = """version: "1.0"
name: shop
target: local
services:
  - {name: web, command: run}
  - {name: api, command: run, public: false, after: [queue]}
  - {name: queue, command: run, public: false}
  - {name: cron, command: run, public: false}
"""
SIZES = """sizes:
  small:
    resources: {cpu: 500m, memory: 512Mi}
    services: {web: {memory: 128Mi}}
  large:
    resources: {cpu: "4"}
"""


def make(text: str, *labels: str) -> Recipe:
    return build_recipe(parse(text.encode()), replace(CONTEXT, labels=frozenset(labels)), POLICY)


def services(recipe: Recipe) -> list[str]:
    return [service.name for service in recipe.spec.services]


def test_label_turns_services_off_and_is_part_of_what_is_built() -> None:
    text = f"{FILE}labels: {{no-cron: {{disable: [cron]}}, lean: {{disable: [api, queue]}}}}\n"
    whole = make(text, "preview")
    assert (services(whole), whole.disabled) == (["web", "api", "queue", "cron"], ())
    lean = make(text, "preview", "no-cron", "lean")
    assert (services(lean), lean.disabled) == (["web"], ("api", "queue", "cron"))
    assert lean.digest != whole.digest
    assert make(FILE).digest == whole.digest


def test_label_selects_a_size() -> None:
    text = f"{FILE}{SIZES}labels: {{preview-small: {{size: small, disable: [cron]}}}}\n".replace(
        "target: local", "target: kubernetes\nimages: [{name: i, repository: r.test/i, tag_template: t}]"
    ).replace("command: run", "image: i")
    usual, small = make(text), make(text, "preview-small")
    assert (usual.size, usual.spec.resources, usual.spec.services[0].resources) == ("", {}, {})
    assert small.size == "small"
    assert small.spec.resources == {"cpu": "500m", "memory": "512Mi"}
    assert small.spec.services[0].resources == {"memory": "128Mi"}
    assert small.disabled == ("cron",)


@pytest.mark.parametrize(
    ("section", "line", "part"),
    [
        ("labels: {x: {disable: [crom]}}", 9, "did you mean `cron`"),
        ("labels: {x: {disable: [queue]}}", 9, "`api` starts after `queue`"),
        ("labels: {x: {disable: [web]}}", 9, "no public service"),
        ("labels: {x: {size: smal}}\nsizes: {small: {}}", 9, "did you mean `small`"),
        ("labels: {x: {}}", 9, "changes nothing"),
        ("sizes:\n  small:\n    services: {wep: {cpu: 1}}", 11, "did you mean `web`"),
    ],
)
def test_mistake_is_reported_with_its_line(section: str, line: int, part: str) -> None:
    (problem,) = validate_text(f"{FILE}{section}\n")
    assert problem.startswith(f"eph.yaml:{line}:")
    assert part in problem


def test_service_whose_address_is_used_is_not_turned_off() -> None:
    web = "{name: web, command: run, env: {Q: '{url:queue}'}}"
    text = f"{FILE.replace('{name: web, command: run}', web)}labels: {{x: {{disable: [api, queue]}}}}\n"
    (problem,) = validate_text(text)
    assert "`web` uses the address of `queue`" in problem


def test_labels_that_contradict_each_other_are_reported() -> None:
    labels = "labels: {a: {size: small}, b: {size: large}, c: {size: small}}\n"
    text = FILE + SIZES + labels
    assert make(text, "a", "c").size == "small"
    with pytest.raises(InvalidConfig) as caught:
        make(text, "a", "b")
    (problem,) = caught.value.problems
    assert problem.message.endswith("the labels a, b select different sizes")


def test_labels_that_leave_nothing_together_are_reported() -> None:
    text = f"{FILE}  - {{name: admin, command: run}}\nlabels: {{a: {{disable: [web]}}, b: {{disable: [admin]}}}}\n"
    assert services(make(text, "a")) == ["api", "queue", "cron", "admin"]
    with pytest.raises(InvalidConfig):
        make(text, "a", "b")
