"""The founding form of eph.yaml, placeholders in variables, and links (Y1, Y2, P14)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse, validate_text
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.eph_yaml.unsupported import notices
from orchestrator.config.problems import InvalidConfig
from orchestrator.core.model.world import LinkTemplate, Recipe
from stacks import keys

EXAMPLE = (Path(__file__).parents[2] / "eph.example.yaml").read_text()
BOTH = frozenset({"local", "kubernetes"})
POLICY = AdmissionPolicy(installed_targets=BOTH, allowed_targets=BOTH)
CONTEXT = RecipeContext(keys.pull_request(1, 42), "acme/shop", "a1b2c3d4" * 5, "feature/x", "/origin.git", "words-abcd")
HEAD = 'version: "1.0"\nname: shop\n'
TWO = "services: [{name: web, command: run}, {name: api, command: run}, {name: job, command: run, public: false}]\n"


def founding_form() -> str:
    """The example, with its images at the top of the file."""
    found = re.search(r"  images:\n(?:    .*\n)+", EXAMPLE)
    assert found is not None
    moved = "".join(line[2:] for line in found[0].splitlines(keepends=True))
    return EXAMPLE.replace(found[0], "") + moved


def make(text: str) -> Recipe:
    return build_recipe(parse(text.encode()), CONTEXT, POLICY)


def test_images_at_the_top_mean_the_same() -> None:
    """Y2"""
    assert "\nimages:\n  - name: api\n" in founding_form()
    assert make(founding_form()) == make(EXAMPLE)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ("images: [{name: api}]", "images[0].repository"),
        ("images: [{name: api, repository: 'x:1', tag_template: a}]", "images[0].repository"),
        ("images: [{name: a, repository: r.test/a, tags: b}]", "images[0].tags"),
        ("images: {}", "images"),
        ("images: [{name: a, repository: r.test/a, tag_template: '{'}]", "images[0].tag_template"),
    ],
)
def test_a_mistake_in_images_at_the_top_has_its_own_position(wrong: str, place: str) -> None:
    """Y1"""
    (problem,) = validate_text(f"{HEAD}target: kubernetes\n{wrong}\n")
    assert problem.startswith("eph.yaml:4:")
    assert re.search(rf"(?<!\.)\b{re.escape(place)}", problem), problem


def test_rules_of_the_server_name_images_at_the_top_too() -> None:
    """Y1, Y4"""
    policy = AdmissionPolicy(installed_targets=BOTH, allowed_targets=BOTH, registries={"kubernetes": ("r.test",)})
    text = founding_form()
    with pytest.raises(InvalidConfig) as caught:
        build_recipe(parse(text.encode()), CONTEXT, policy)
    (problem,) = caught.value.problems
    assert problem.message.startswith("images[0].repository:")
    assert text.splitlines()[problem.line - 1].strip().startswith("repository:")


def test_images_in_both_places_are_a_problem() -> None:
    text = f"{HEAD}environment: {{images: []}}\nimages: []\n"
    (problem,) = validate_text(text)
    assert problem.startswith("eph.yaml:4:")


def test_placeholders_of_names_work_in_variables() -> None:
    """Y2: those of URLs are filled in where the variable is used."""
    env = "{A: '{project}-{pr_number}-{commit_sha:0:7}', B: '{branch}', C: '{url:web}', D: '{\"a\": {brace}}'}"
    made = make(f"{HEAD}target: local\n{TWO}environment: {{env: {env}}}\n")
    assert made.spec.env == {"A": "shop-42-a1b2c3d", "B": "feature-x", "C": "{url:web}", "D": '{"a": {brace}}'}
    service = "services: [{name: web, command: run, env: {N: '{number}'}}]\n"
    suite = "tests: [{name: t, command: run, env: {N: '{ref_type}'}}]\n"
    made = make(HEAD + "target: local\n" + service + suite)
    assert (made.spec.services[0].env, made.suites[0].env) == ({"N": "42"}, {"N": "pr"})


def test_a_known_placeholder_is_no_notice() -> None:
    text = f"{HEAD}target: local\n{TWO}environment: {{env: {{A: '{{branch}}', B: '{{brunch}}'}}}}\n"
    (found,) = notices(parse(text.encode()), POLICY)
    assert "brunch" in found


def test_links_are_templates() -> None:
    """P14"""
    links = (
        "links: [{name: Admin, url: /admin}, {name: API docs, url: '{url:api}/docs'}, "
        "{name: Traces, url: 'https://traces.example.com/search?env={host}&pr={number}'}]\n"
    )
    assert make(f"{HEAD}target: local\n{TWO}{links}").links == (
        LinkTemplate("Admin", "{url}/admin"),
        LinkTemplate("API docs", "{url:api}/docs"),
        LinkTemplate("Traces", "https://traces.example.com/search?env={host}&pr=42"),
    )


def test_bar_is_off_unless_the_file_asks_for_it_and_the_server_allows_it() -> None:
    """P13, Y4: it doesn't affect the build."""
    plain, asked = f"{HEAD}target: local\n{TWO}", f"{HEAD}target: local\n{TWO}environment: {{bar: true}}\n"
    assert not make(plain).bar
    assert make(asked).bar
    assert make(asked).digest == make(plain).digest
    forbidden = replace(POLICY, bar_available=False)
    assert not build_recipe(parse(asked.encode()), CONTEXT, forbidden).bar
    (found,) = notices(parse(asked.encode()), forbidden)
    assert found.startswith("eph.yaml:")
    assert notices(parse(asked.encode()), POLICY) == ()


def test_links_do_not_affect_the_build() -> None:
    with_links = make(f"{HEAD}target: local\n{TWO}links: [{{name: Admin, url: /admin}}]\n")
    assert with_links.digest == make(f"{HEAD}target: local\n{TWO}").digest


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "//evil.example.com",
        "data:text/html,x",
        "admin",
        "{url}.evil.example.com",
        "{url}/{",
        "{url}/<b>",
        "{url}/a b",
        "{url:job}/x",
        "{url:nothing}/x",
        "{database.main.password}",
        "https://x.example.com/{database.main.url}",
        "https://x.example.com/{comit_sha}",
        "https://",
        "https://user@x.example.com/",
        "/" + "a" * 600,
    ],
)
def test_a_wrong_link_is_a_problem_with_its_position(link: str) -> None:
    """P14, Y1, S3"""
    text = f"{HEAD}{TWO}database: {{instances: [{{name: main}}]}}\nlinks:\n  - name: x\n    url: '{link}'\n"
    (problem,) = validate_text(text)
    assert problem.startswith("eph.yaml:7:"), problem
