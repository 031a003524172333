"""Values that survive a round trip: the tag in the store, the operation and its result on a pipe (L2, S3)."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs.spec import (
    CommandSpec,
    DatabaseSpec,
    EnvironmentSpec,
    GitSource,
    HealthCheck,
    LifecycleHooks,
    Secret,
    ServiceSpec,
)
from stacks import keys, tags
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, RefKind, StackRef, StackTag
from stacks.operations import serialization

SECONDS = st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TIMES = st.floats(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
WORDS = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=63)
HEX = st.text("0123456789abcdef", min_size=40, max_size=40)
ANY = st.text(max_size=40)
REPOSITORIES = st.from_regex(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", fullmatch=True)

SLEEP_STATES = st.one_of(
    st.builds(
        lambda at, millis, half: {"asleep": at + timedelta(seconds=1, milliseconds=millis), "half": half},
        SECONDS,
        st.integers(0, 999),
        st.booleans(),
    ),
    st.builds(lambda at: {"awake_until": at}, st.none() | SECONDS),
)
"""Asleep, perhaps half-way, or awake, perhaps because someone woke it."""
KEYS = st.builds(keys.pull_request, st.integers(0, 10**10), st.integers(1, 10**9)) | st.builds(
    keys.ref, st.integers(0, 10**10), st.sampled_from((RefKind.BRANCH, RefKind.TAG)), st.text(min_size=1)
)
TAGS = st.builds(
    lambda rest, **rest_of_it: StackTag(**rest, **rest_of_it),
    rest=SLEEP_STATES,
    key=KEYS,
    repository_name=REPOSITORIES,
    name=WORDS,
    incarnation=st.text("0123456789abcdef", min_size=8, max_size=8),
    commit=HEX,
    seen=SECONDS,
    extended_until=st.none() | SECONDS,
    keep=st.booleans(),
    ref_name=st.text(max_size=80),
    target=st.sampled_from(("local", "kubernetes")),
)


DEPLOYS = st.builds(
    lambda rest, label, repository, **more: StackTag(
        key=keys.ref(repository, RefKind.DEPLOY, label), repository_name="", ref_name=label, **rest, **more
    ),
    rest=SLEEP_STATES,
    label=st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20),
    repository=st.integers(0, 10**9),
    name=st.text(string.ascii_lowercase, min_size=1, max_size=32),
    incarnation=st.text("0123456789abcdef", min_size=8, max_size=8),
    commit=HEX,
    seen=SECONDS,
    extended_until=SECONDS,
    target=st.sampled_from(("local", "kubernetes")),
    by=st.text(string.ascii_letters, max_size=10),
)


@given(DEPLOYS)
def test_nothing_of_a_label_deploy_is_lost(tag: StackTag) -> None:  # M1
    """Its tag is all that requests it."""
    assert tags.decode(tags.encode(tag)) == tag


def test_a_label_deploy_that_does_not_fit_is_refused_instead_of_shortened() -> None:  # M1
    label, at = "x" * 200, datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="exceeds the limit"):
        tags.encode(StackTag(keys.ref(1, RefKind.DEPLOY, label), "", "e", "1", "c", at, ref_name=label))


LOSSY = {"repository_name": "", "ref_name": ""}


@given(TAGS)
def test_tag_survives_a_round_trip(tag: StackTag) -> None:
    """The repository's name is shortened first to fit into 256 characters, then a branch's name; nothing else is
    lost."""
    value = tags.encode(tag)
    assert len(value) <= tags.MAX_LENGTH
    read = tags.decode(value)
    assert read is not None
    assert tag.repository_name.endswith(read.repository_name)
    assert tag.ref_name.startswith(read.ref_name)
    assert read == tag or len(value) > tags.MAX_LENGTH - 13  # one character may take twelve
    assert {**_fields(read), **LOSSY} == {**_fields(tag), **LOSSY}


def _fields(tag: StackTag) -> dict[str, Any]:
    return {name: getattr(tag, name) for name in StackTag.__slots__}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        "[" * 250,
        "[" * 100_000,
        "{}" + " " * 300,
        '{"pr": 7}',
        '{"pr":"a/b#x","repo":1,"env":"e","inc":"i","sha":"s","seen":1}',
        '{"pr":"a/b#1","repo":"x","env":"e","inc":"i","sha":"s","seen":1}',
        '{"pr":"a/b#1","repo":1,"env":"e","inc":"i","sha":"s","seen":1e400}',
        '{"pr":"a/b#1","repo":1,"env":"e","inc":"i","sha":"s","seen":99999999999999999}',
        '{"pr":"a/b#1","repo":1,"env":"e","inc":"i","sha":"s","seen":NaN}',
        '{"pr":"a/b#1","repo":1,"env":"e","inc":"i","sha":"s","seen":[1]}',
    ],
)
def test_foreign_tag_is_none(value: str) -> None:
    """S3: parsed as untrusted text; a stack with such a tag is half-created."""
    assert tags.decode(value) is None


FIELDS = st.sampled_from(("pr", "repo", "env", "inc", "sha", "seen", "until"))
ODD: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | ANY | st.just("a/b#1") | st.just([])
)
JSON = ODD | st.dictionaries(FIELDS, ODD)


@settings(max_examples=50)
@given(st.text(max_size=300) | JSON.map(json.dumps))
def test_a_hostile_tag_never_raises(value: str) -> None:
    tags.decode(value)


def test_a_tag_of_an_earlier_version_is_carried_over() -> None:
    """A branch's stack, as version 1 wrote it; what is written now is the same, so a rollback reads it too."""
    old = (
        '{"v":1,"env":"shop-x-main","pr":"acme/shop#377930057248458","repo":12345,"inc":"i","sha":"s","seen":1,'
        '"ref":"main","keep":1}'
    )
    read = tags.decode(old)
    assert read is not None
    assert (read.key, read.keep) == (keys.ref(12345, RefKind.BRANCH, "main"), True)
    assert tags.decode(tags.encode(read)) == read
    assert '"pr":"acme/shop#377930057248458"' in tags.encode(read)


def test_fields_of_a_later_version_are_ignored() -> None:
    """L10's groundwork: a tag can get the revision of several repositories, and a rollback still reads it."""
    now = '{"v":1,"env":"shop-x-42","pr":"acme/shop#42","repo":12345,"inc":"i","sha":"s","seen":1}'
    read = tags.decode(now)
    assert read is not None
    assert tags.decode(now[:-1] + ',"rev":"0123","others":[[7,"abc"]]}') == read


COMMANDS = st.builds(CommandSpec, ANY, st.integers(1, 900))
VARIABLES = st.dictionaries(ANY, ANY, max_size=2)
HEALTH = st.builds(HealthCheck, ANY, st.integers(1, 900))
SERVICES = st.builds(ServiceSpec, WORDS, ANY, st.booleans(), HEALTH, VARIABLES)
SCRIPTS = st.lists(ANY, max_size=2).map(tuple)
DATABASES = st.builds(DatabaseSpec, WORDS, WORDS, WORDS, WORDS, SCRIPTS, st.none() | COMMANDS, st.none() | COMMANDS)
SPECS = st.builds(
    EnvironmentSpec,
    name=WORDS,
    host=WORDS,
    target=WORDS,
    project=WORDS,
    source=st.builds(GitSource, ANY, HEX, ANY),
    services=st.lists(SERVICES, max_size=2).map(tuple),
    databases=st.lists(DATABASES, max_size=2).map(tuple),
    build=st.none() | COMMANDS,
    env=VARIABLES,
    hooks=st.builds(LifecycleHooks, st.lists(COMMANDS, max_size=1).map(tuple)),
    settings=VARIABLES,
    secrets=st.dictionaries(WORDS, st.builds(Secret, WORDS, HEX, ANY), max_size=2),
)
REFS = st.builds(StackRef, WORDS, WORDS)
OPERATIONS = st.builds(
    Operation,
    ref=REFS,
    verb=st.sampled_from(OperationVerb),
    target=WORDS,
    name=WORDS,
    tag=st.none() | st.builds(StackTag, KEYS, ANY, WORDS, ANY, HEX, TIMES, st.none() | TIMES),
    spec=st.none() | SPECS,
    commit=HEX,
    refresh=st.booleans(),
    deadline=st.floats(0, 1e6),
    settings=VARIABLES,
    hidden=st.lists(ANY, max_size=2).map(tuple),
)
RESULTS = st.builds(
    OperationResult,
    ref=REFS,
    verb=st.sampled_from(OperationVerb),
    outcome=st.sampled_from(Outcome),
    commit=HEX,
    started=TIMES,
    ended=TIMES,
    error=ANY,
    step=ANY,
    tail=st.lists(ANY, max_size=3).map(tuple),
    retryable=st.booleans(),
    url=ANY,
    changes=st.dictionaries(WORDS, st.integers(0), max_size=2),
    pulumi_processes=st.integers(0),
)


@given(OPERATIONS)
def test_an_operation_survives_the_pipe(operation: Operation) -> None:
    line = json.dumps(serialization.dump(operation))
    assert "\n" not in line
    assert serialization.load_operation(json.loads(line)) == operation


@given(RESULTS)
def test_a_result_survives_the_pipe(result: OperationResult) -> None:
    assert serialization.load_result(json.loads(json.dumps(serialization.dump(result)))) == result
