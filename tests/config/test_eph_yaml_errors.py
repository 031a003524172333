"""Every kind of error in an eph.yaml ends as clear sentences with file and line, and as nothing else (Y1, Y2, S3)."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.eph_yaml.parsing import Document, parse, validate_text
from orchestrator.config.problems import InvalidConfig

HEAD = 'version: "1.0"\nname: shop\n'
SHAPE = re.compile(r"eph\.yaml:[0-9]+:[0-9]+: .+|and [0-9]+ more problems")

CASES = {
    "empty file": (b"", "eph.yaml:1:1: the file is not a mapping; start with"),
    "a list": (b"- a\n", "eph.yaml:1:1: the file is not a mapping"),
    "not YAML": (b"name: [shop\n", "eph.yaml:2:1: invalid YAML: expected ',' or ']'"),
    "prose": (b"hello: there: you\n", "eph.yaml:1:13: invalid YAML: mapping values are not allowed here"),
    "tab": (
        b"name: shop\nservices:\n\t- name: x\n",
        "eph.yaml:3:1: a tab where YAML requires spaces; indent with spaces",
    ),
    "not UTF-8": (b"name: shop\nteam: caf\xe9\n", "eph.yaml:2:10: byte 0xe9 is not UTF-8; save the file as UTF-8"),
    "UTF-16": ("name: shop".encode("utf-16"), "eph.yaml:1:1: byte 0xff is not UTF-8"),
    "NUL": (b"name: sh\0op\n", "eph.yaml:1:9: a character that YAML does not allow"),
    "NUL, escaped": (b'name: "sh\\0op"\n', "eph.yaml:1:7: an invalid character (NUL or half"),
    "half a pair": (b'name: "\\ud800"\n', "eph.yaml:1:7: an invalid character (NUL or half"),
    "escape too high": (b'a: 1\nname: "\\UFFFFFFFF"\n', "eph.yaml:2:1: invalid YAML from about this line on"),
    "10 MB": (b"#" * 10_000_000, "eph.yaml:1:1: the file is 10,000,000 bytes long; use at most 64 KiB"),
    "brackets": (b"a:\n  " + b"[" * 60_000, "eph.yaml:2:3: values are nested too deeply; nest at most 50 levels"),
    "deep": (b"[ " * 30_000, "eph.yaml:1:101: values are nested too deeply; nest at most 50 levels"),
    "deep blocks": (b"- " * 30_000, "eph.yaml:1:101: values are nested too deeply"),
    "wide": (b"- a\n" * 16_000, "eph.yaml:5000:3: the file is too large; use at most 5,000 values"),
    "alias to itself": (b"a: &x [*x]\n", "eph.yaml:1:8: the anchor &x is not defined before this point"),
    "unknown alias": (b"a: *x\n", "eph.yaml:1:4: the anchor &x is not defined before this point"),
    "tag": (b"name: !!python/object/apply:os.system [ls]\n", "eph.yaml:1:7: a tag, !!python/object/appl…; remove"),
    "own tag": (b"name: !secret x\n", "eph.yaml:1:7: a tag, !secret; remove the tag that starts with !"),
    "directive": (b"%YAML 1.1\n---\nname: shop\n", "eph.yaml:2:1: a YAML directive; remove the line"),
    "two documents": (b"name: a\n---\nname: b\n", "eph.yaml:2:1: a second document starts here"),
    "twice": (HEAD.encode() + b"name: pay\n", "eph.yaml:3:1: duplicate key `name`, first used on line 2; keep one"),
    "list as key": (b"? [a]\n: 1\n", "eph.yaml:1:3: a key that is not text; use a name before the colon"),
    "merge key": (HEAD.encode() + b"build: {<<: {command: x}}\n", "eph.yaml:3:9: unknown key `build.<<`"),
}

VALUES = {
    "triggers: [{type: comment, phrases: [' x']}]": "3:38: triggers[0].phrases[0]: ' x' can't be a line of a comment",
    "targt: local": "3:1: unknown key `targt`; did you mean `target`?",
    "zzz: 1": "3:1: unknown key `zzz`; allowed here: version, name, team",
    "target: [local]": "3:9: target: a list is not text",
    "target: Local!": "3:9: target: 'Local!' is not a valid name; use 1 to 30 lowercase letters",
    "environment: {ttl: 7 lightyears}": "3:20: environment.ttl: '7 lightyears' is not a duration; use a number and a "
    "unit, such as 30m, 72h or 7d",
    "environment: {ttl: 72}": "3:20: environment.ttl: '72' is not a duration",
    "environment: {ttl: 0s}": "3:20: environment.ttl: '0s' is out of range; use more than 0s and at most 365d",
    "environment: {ttl: 999999w}": "3:20: environment.ttl: '999999w' is out of range",
    "environment: {on_idle: nap}": "3:24: environment.on_idle: 'nap' is not allowed here; use sleep or destroy",
    "environment: {name_template: '{project}-{number}'}": "3:30: environment.name_template: {words} is missing",
    "environment: {name_template: '{words}'}": "3:30: environment.name_template: {number} is missing",
    "environment: {name_template: '{words:0:2}-{number}'}": "{words} is missing, so the URL would be guessable",
    "environment: {name_template: '{words}-{number}-{wrds}'}": "unknown placeholder {wrds} at character 18; did you "
    "mean {words}?",
    "environment: {name_template: '{words.__class__}-{number}'}": "unknown placeholder {words.__class__} at ch",
    "environment: {name_template: '{words!r}-{number}'}": "unknown placeholder {words!r} at character 1",
    "environment: {name_template: '{words}-{number}-{'}": "a single '{' at character 18",
    "environment: {name_template: '{words}-{number}}'}": "a single '}' at character 17",
    "environment: {name_template: '{words}-{number:x}'}": "invalid slice of {number} at character 9",
    "environment: {name_template: '{words}-{number}-{commit_sha:0:7}'}": "{commit_sha} would change the name",
    "environment: {name_template: 'A_{words}-{number}'}": "'A_' is not allowed in a host name",
    (
        "environment: {name_template: '{words}{number}{branch}{ref_name}'}"
    ): "a name could have 69 characters; the maximum is",
    "environment: {env: {DEBUG: true}}": "3:28: environment.env.DEBUG: true is a boolean, not text; put it in q",
    "environment: {env: {'A B': x}}": "3:21: environment.env.A B: 'A B' is not a valid variable name",
    "environment: {env: {EPH_X: x}}": "'EPH_X' is set by Eph itself",
    "environment: {env: {A: [1]}}": "environment.env.A: a list is not text",
    "environment: {images: [{name: api}]}": "3:24: environment.images[0].repository is missing; add it: The image's",
    "environment: {images: [{name: api, repository: a/b}]}": "no tag is specified; add tag_template",
    "environment: {images: [{name: api, repository: 'a/b:c', fallback_tag: x}]}": "'a/b:c' is not an image repository",
    "environment: {schedule: {awake: [always]}}": (
        "'always' is not a span of hours; use a value such as Mon-Fri 08:00-19:00"
    ),
    "environment: {dns: {domain: '-x'}}": "'-x' is not a domain",
    "environment: {resources: {memory: lots}}": "'lots' is not an amount of memory; use a value such as 512Mi or 2Gi",
    "services: [{name: web, image: api, command: x}]": "services[0].image: unknown image `api`; add it to envir",
    "services: [{name: web}]": "3:12: services[0]: neither a command nor an image is set; add a command",
    "services: [{name: web, comand: x}]": "3:24: unknown key `services[0].comand`; did you mean `command`?",
    "services: [{name: web, command: x, public: yes}]": "services[0].public: 'yes' is not a boolean; use true",
    "services: [{name: web, command: x, public: false}]": "services: no service is public",
    "services: [{name: web, command: x, port: 70000}]": "services[0].port: '70000' is not valid",
    "services: [{name: web, command: x, health: {path: health}}]": "'health' is not a URL path; start with a sl",
    "services: [{name: a--b, command: x}]": "'a--b' is not a valid name",
    "services: [{name: a, command: x}, {name: a, command: y}]": "3:42: services[1].name: duplicate name",
    "services: [{name: a, command: x, env: {A_URL: b}}]": "services[0].env.A_URL: already set by service `a`",
    "build: [make]": "3:8: build: a list is not a mapping",
    "build: {command: make, timeout: soon}": "3:33: build.timeout: 'soon' is not a duration",
    "build: ' '": "build.command: the value is missing",
    "build: {comand: make}": "build.command is missing; add it: A shell command",
    "kubernetes: {manifests: [../../etc/passwd]}": "'../../etc/passwd' is outside of the repository",
    "kubernetes: {manifests: [/etc/passwd]}": "'/etc/passwd' is outside of the repository",
    "kubernetes: {manifests: ['~/x']}": "'~/x' is outside of the repository",
    "kubernetes: {manifests: ['https://x/y']}": "'https://x/y' is outside of the repository",
    "kubernetes: {manifests: [k8s/.git/config]}": "'k8s/.git/config' is not allowed as a file of the repository",
    "kubernetes: {manifests: [-rf]}": "'-rf' is not allowed as a file of the repository",
    "kubernetes: {manifests: ['a\\b']}": "'a\\b' is outside of the repository",
    "kubernetes: {manifests: []}": "kubernetes.manifests: the list is empty; add at least one",
    "database: {instances: postgres}": "3:23: database.instances: 'postgres' is not a list",
    "database: {instances: [{name: a, version: new}]}": "'new' is not a version",
    "database: {instances: [{name: a}, {name: b}]}": "`DATABASE_URL` is already set by database `a`; use a diff",
    "database: {instances: [{name: a, template: {strategy: seed}}]}": "the strategy `seed` has no seed",
    "database: {instances: [{name: a, template: {strategy: magic}}]}": "'magic' is not allowed here; use empty, se",
    "database: {instances: [{name: a, template: {strategy: template}}]}": "the strategy `template` needs a source",
    "database: {instances: [{name: a, template: {mask: [x.sql]}}]}": "template.mask: mask has no effect with the strat",
    "triggers: []": "triggers: the list is empty",
    "triggers: [{labels: [x]}]": "3:12: triggers[0]: `type` is missing; add type: pr_label, branch, tag or comment",
    "triggers: [{type: push}]": "3:19: triggers[0].type: 'push' is not allowed here; use pr_label, branch, tag, co",
    "triggers: [{type: pr_label, labels: []}]": "triggers[0].labels: the list is empty",
    "triggers: [{type: tag, tag: x, tags: [x]}]": "unknown key `triggers[0].tag`; did you mean `tags`?",
    "tests: [make test]": "3:9: tests[0]: 'make test' is not a mapping",
    "hooks: {pre_create: [{command: 5}]}": "hooks.pre_create[0].command: '5' is not text",
    "team: '<script>'": "'<script>' is not a valid team name",
}


def problems(text: bytes) -> tuple[str, ...]:
    with pytest.raises(InvalidConfig) as caught:
        parse(text)
    assert all(SHAPE.fullmatch(line) for line in caught.value.lines())
    return caught.value.lines()


@pytest.mark.parametrize("case", CASES)
def test_unreadable_file_is_reported_with_position_and_reason(case: str) -> None:
    text, expected = CASES[case]
    started = time.process_time()
    assert any(line.startswith(expected) for line in problems(text)), problems(text)
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("value", VALUES)
def test_wrong_value_is_reported_with_position_and_expectation(value: str) -> None:
    found = problems(f"{HEAD}{value}\n".encode())
    assert len(found) == 1 or "comand" in value, found
    assert any(VALUES[value] in line for line in found), found


def test_yaml_bomb_is_rejected_before_it_expands() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    started = time.process_time()
    assert "aliases count in full" in problems(bomb.encode())[0]
    assert time.process_time() - started < 0.5


def test_an_alias_may_be_used_within_the_limits() -> None:
    text = HEAD + "services:\n  - {name: a, command: &c run}\n  - {name: b, command: *c}\n"
    assert parse(text.encode()).config.services[1].command == "run"


def test_all_problems_are_reported_at_once_in_file_order() -> None:
    found = validate_text("version: 2\nname: shop\nname: x\ntargt: y\nenvironment:\n  ttl: never\nbuild: 5\n")
    assert [line.split(":")[1] for line in found] == ["1", "3", "4", "6", "7"]


def test_report_of_many_problems_is_truncated() -> None:
    found = validate_text(HEAD + "".join(f"k{i}: x\n" for i in range(400)))
    assert len(found) == 51
    assert found[-1] == "and 350 more problems"


@pytest.mark.parametrize(
    "place", ["name: {}", "{}: x", "name: a\n{}: 1", "environment: {{ttl: {}}}", "team: &{0} [*{0}z]"]
)
@pytest.mark.parametrize("letter", ["A", "\u202e", "\x85"])
def test_no_error_repeats_more_than_80_characters_or_unprintable_ones(place: str, letter: str) -> None:
    for line in validate_text(place.format(letter * 3000)):
        assert line.isprintable()
        assert line.count(letter) <= 80
        assert len(line) < 700


def test_numbers_keep_the_text_that_was_written() -> None:
    text = HEAD.replace('"1.0"', "1.0") + "environment: {env: {A: 1.10, B: 007, C: -3, D: 1e5}}\n"
    assert parse(text.encode()).config.environment.env == {"A": "1.10", "B": "007", "C": "-3", "D": "1e5"}


def test_byte_order_mark_is_accepted() -> None:
    assert validate_text(b"\xef\xbb\xbf" + HEAD.encode()) == []


def parse_or_error(text: bytes) -> Document | InvalidConfig:
    try:
        return parse(text)
    except InvalidConfig as error:
        return error


def check_bounded(text: bytes) -> None:
    started = time.process_time()
    found = parse_or_error(text)
    assert time.process_time() - started < 1
    if isinstance(found, InvalidConfig):
        assert found.problems
        assert all(SHAPE.fullmatch(line) and line.isprintable() for line in found.lines())


TOKENS = """version: '1.0'|name: shop|name|: |- |{|}|[|]|&a |*a|!!|!|%YAML 1.2|---|...|? |"|'|>|#|\\|1.0|72h|~|é|,|
environment:|services:|database:|instances:|template:|triggers:|type: pr_label|labels:|images:|{words}|\\x|\\U"""
PIECES = st.sampled_from([*TOKENS.split("|"), "|", "\n", "\n  ", "  ", "\t", "\0", "\u2028"])


@settings(max_examples=150)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_document_or_problems(text: bytes) -> None:
    check_bounded(text)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_yaml_gives_a_document_or_problems(text: str) -> None:
    check_bounded(text.encode("utf-8"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("triggers", "environment", "services", "build", "kubernetes", "database", "tests", "hooks", "target", "team")


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3))
def test_any_value_at_any_key_gives_a_document_or_problems(values: dict[str, object]) -> None:
    check_bounded((HEAD + "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())).encode())


LARGE = [
    *(
        "{" * 65_000,
        "{ " * 32_000,
        "? " * 32_000,
        "&a " * 20_000,
        "a: " * 20_000,
        " " * 65_000,
        "\n" * 65_000,
        "# x\n" * 16_000,
    ),
    *('"' + "\\u0041" * 10_000 + '"', "a: |\n" + "  b\n" * 16_000, "'" * 65_000, "a: " + "b c " * 16_000),
    *("".join(f"k{i}: v\n" for i in range(7_000)), "[a, " * 16_000, "- - - a\n" * 8_000, "a,\n" * 21_000),
]


@pytest.mark.parametrize("text", LARGE, ids=lambda text: repr(text[:8]))
def test_no_64_kib_take_longer_than_a_second(text: str) -> None:
    check_bounded(text.encode())
