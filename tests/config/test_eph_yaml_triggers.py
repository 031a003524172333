"""Which pull requests, branches and tags a recipe is for, and its suites (Y2, Y3, P4, T5)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.triggers import WatchedRefs, ref_patterns, trigger_labels
from orchestrator.config.eph_yaml.unsupported import notices
from orchestrator.config.problems import InvalidConfig
from stacks import keys
from stacks.model import RefKind
from tests.config.small_recipes import CONTEXT, HEAD, WEB, config_error, make_recipe

TRIGGERS = """triggers:
  - {type: pr_label, labels: [preview], wait_for_checks: [build], drafts: false}
  - {type: pr_label, labels: [quick, 1.0]}
  - {type: branch, branches: [main]}
"""


def test_labels_are_those_of_all_label_triggers() -> None:
    document = parse((HEAD + TRIGGERS + WEB).encode())
    assert trigger_labels(document) == {"preview", "quick", "1.0"}
    assert trigger_labels(parse(HEAD.encode()), frozenset({"ours"})) == {"ours"}
    only_comments = parse((HEAD + "triggers: [{type: comment, phrases: [please]}]\n").encode())
    assert trigger_labels(only_comments, frozenset({"ours"})) == {"ours"}, "what a comment asks for is kept as a label"
    assert ref_patterns(only_comments).phrases == ("please",)
    only_branches = "triggers: [{type: branch, branches: [main]}]\n"
    assert trigger_labels(parse((HEAD + only_branches).encode()), frozenset({"ours"})) == frozenset()


@pytest.mark.parametrize(
    ("labels", "checks", "drafts"),
    [({"preview"}, ("build",), False), ({"quick"}, (), True), (set(), ("build",), True), ({"other"}, ("build",), True)],
)
def test_pull_request_waits_for_what_its_own_trigger_requires(
    labels: set[str], checks: tuple[str, ...], drafts: bool
) -> None:
    found = make_recipe(TRIGGERS + WEB, replace(CONTEXT, labels=frozenset(labels)))
    assert (found.wait_for_checks, found.allow_drafts) == (checks, drafts)


def test_unsupported_keys_are_reported() -> None:
    text = (
        TRIGGERS
        + WEB
        + (
            "tests: [{name: a, command: x}]\nkubernetes: {manifests: [k8s]}\ntarget: local\n"
            "environment: {idle_timeout: 1h, alias_template: 'shop-pr-{number}', resources: {cpu: 2}, "
            "schedule: {awake: ['Mon-Fri 08:00-19:00']}, images: [{name: a, repository: a, git_notes: true}]}\n"
        )
    )
    found = notices(parse((HEAD + text).encode()), AdmissionPolicy())
    assert len(found) == 4
    assert all(re.fullmatch(r"eph\.yaml:[0-9]+:[0-9]+: .+", line) for line in found)


SUITES = """\
tests:
  - {name: unit, command: make test, timeout: 2m, junit: ./out/junit.xml, env: {TZ: UTC}}
  - {name: browser, command: npx playwright test, kind: browser, needs: [unit], blocking: false}
"""


def test_suites_come_from_the_file_and_do_not_affect_the_build() -> None:  # P4
    plain, found = make_recipe(WEB), make_recipe(WEB + SUITES)
    unit, browser = found.suites
    assert (unit.command.run, unit.command.timeout, unit.junit, unit.env) == (
        "make test", 120, "out/junit.xml", {"TZ": "UTC"},
    )  # fmt: skip
    assert (unit.kind, unit.blocking, unit.token) == ("integration", True, True)
    assert (browser.kind, browser.needs, browser.blocking) == ("browser", ("unit",), False)
    assert found.digest == plain.digest
    assert notices(parse((HEAD + WEB + SUITES).encode()), AdmissionPolicy()) == ()


@pytest.mark.parametrize(
    ("suites", "told"),
    [
        (
            "[{name: a, command: x, needs: [b]}, {name: b, command: x}]",
            "tests[0].needs[0]: no suite named `b` is defined above",
        ),
        ("[{name: a, command: x, needs: [a]}]", "the first suite can't depend on another one"),
        ("[{name: a, command: x, junit: ../x.xml}]", "tests[0].junit: '../x.xml' is outside of the repository"),
        ("[{name: a, command: x, env: {EPH_SUITE: b}}]", "is set by Eph itself"),
    ],
)
def test_impossible_suite_is_reported(suites: str, told: str) -> None:  # P4, Y1
    with pytest.raises(InvalidConfig) as caught:
        parse((HEAD + WEB + f"tests: {suites}\n").encode())
    assert told in str(caught.value)


def test_branch_and_tag_have_valid_names_and_their_own_triggers() -> None:
    """L3, Y2, Y3: the words distinguish them; instead of the number, people see the start of the name."""
    key = keys.ref(12345, RefKind.BRANCH, "release/1.0")
    on_branch = replace(CONTEXT, key=key, head_ref="release/1.0")
    triggers = (
        "triggers: [{type: branch, branches: ['release/*'], wait_for_checks: [build]}, {type: tag, tags: ['v*']}]\n"
    )
    found = make_recipe(triggers + WEB, on_branch)
    assert found.spec.name == f"shop-{CONTEXT.random_words}-release"
    assert found.spec.marks["Ref"] == "branch release/1.0"
    assert "PRNumber" not in found.spec.marks
    assert (found.wait_for_checks, found.paths, found.allow_drafts) == (("build",), (), True)
    on_tag = replace(on_branch, key=keys.ref(12345, RefKind.TAG, "日本"), head_ref="日本")
    template = "environment: {name_template: '{words}-{number}-{ref_type}'}\n"
    assert make_recipe(triggers + template + WEB, on_tag).spec.name == f"{CONTEXT.random_words}-tag-tag"
    assert ref_patterns(parse((HEAD + triggers + WEB).encode())) == WatchedRefs(("release/*",), ("v*",))


def test_suites_of_a_targets_section_are_the_recipes() -> None:
    """T5: what runs after a deployment isn't part of what is deployed."""
    names = frozenset({"pipeline"})
    policy = AdmissionPolicy(names, names, "pipeline")
    head = "pipeline:\n  run_timeout: 5m\n"
    found, without = (make_recipe(head + more, policy=policy) for more in ("  run: [orders]\n", ""))
    assert [(suite.name, suite.command.run, suite.command.timeout) for suite in found.suites] == [
        ("orders", "orders", 300)
    ]
    assert without.suites == ()
    assert found.digest == without.digest
    assert "2h" in config_error("pipeline: {run: [orders], run_timeout: 2h}", policy=policy)
