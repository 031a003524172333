"""Globs of branches, tags, paths and checks (L3); what somebody writes cannot make them slow (S3)."""

from __future__ import annotations

import time

import pytest

from orchestrator.core.util import globs


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("main", ["main"], ["mains", "domain", ""]),
        ("release/*", ["release/1", "release/"], ["release/1/2", "release", "prerelease/1"]),
        ("release/**", ["release/1", "release/1/2"], ["release"]),
        ("v*", ["v1.2.3", "v"], ["w1", "v/1"]),
        ("v?.?", ["v1.2"], ["v1.23", "v1/2"]),
        ("**", ["", "a", "a/b/c"], []),
        ("**/*.py", ["a.py", "a/b.py", "a/b/c.py"], ["a.pyc", "a/b"]),
        ("src/**/web/*", ["src/web/a", "src/x/y/web/a"], ["src/web/a/b", "srcs/web/a"]),
        ("docs/", ["docs/"], ["docs/a"]),
        ("[a].txt", ["[a].txt"], ["a.txt"]),
        ("a.b", ["a.b"], ["axb"]),
        ("***", ["x/y"], []),
    ],
)
def test_what_matches_and_what_does_not(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [text for text in yes if not globs.matches(pattern, text)] == []
    assert [text for text in no if globs.matches(pattern, text)] == []


def test_a_prefix_is_what_every_match_begins_with() -> None:
    assert [globs.literal_prefix(text) for text in ("release/*", "v?", "main", "*")] == ["release/", "v", "main", ""]


def test_a_glob_made_to_be_slow_is_not() -> None:
    """Two hundred signs, the most that an eph.yaml takes, against a long name."""
    began = time.process_time()
    assert not globs.matches("**a" * 66, "a" * 250 + "b")
    assert not globs.matches("*a" * 100, "a" * 250 + "b")
    assert time.process_time() - began < 1
