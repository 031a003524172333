"""Names: valid everywhere, unique per pull request, stable, and not guessable (Y3, S5)."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import keys, names
from stacks.model import StackRef
from stacks.word_lists import ADJECTIVES, NOUNS

IDS = st.integers(0, 2**63 - 1)
NUMBERS = st.integers(1, 2**31 - 1)
REPOSITORIES = st.text(max_size=120) | st.from_regex(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", fullmatch=True)
SECRETS = st.binary(min_size=16, max_size=64)

# Pulumi: at most 100 letters, digits, -, _ and dots; DNS: 63, no dash at an end. The stricter of each.
LEGAL = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


@given(IDS, REPOSITORIES, NUMBERS)
def test_our_stacks_are_valid_and_parse_back(repository: int, name: str, number: int) -> None:
    """Y3, P9: valid for Pulumi and DNS, and ``parse`` is the inverse."""
    made = names.stack_ref(keys.pull_request(repository, number), name)
    for part in (made.project, made.stack):
        assert LEGAL.fullmatch(part)
        assert len(part) <= 63
    assert names.parse(made) == keys.pull_request(repository, number)


@given(IDS, REPOSITORIES, REPOSITORIES, NUMBERS)
def test_a_rename_keeps_the_identity(repository: int, before: str, after: str, number: int) -> None:
    """Y3: the numeric ID counts, not the name."""
    old, new = (names.stack_ref(keys.pull_request(repository, number), name) for name in (before, after))
    assert names.parse(old) == names.parse(new)


@given(IDS, REPOSITORIES, NUMBERS, IDS, REPOSITORIES, NUMBERS)
def test_no_two_pull_requests_share_a_name(a: int, one: str, n: int, b: int, two: str, m: int) -> None:
    """Y3: whatever their repositories are called."""
    if (a, n) != (b, m):
        assert names.stack_ref(keys.pull_request(a, n), one) != names.stack_ref(keys.pull_request(b, m), two)


@pytest.mark.parametrize(
    "name",
    [
        "shop-9ix/pr-1",  # not our prefix
        "eph/pr-1",
        "eph-/pr-1",
        "eph-shop-09ix/pr-1",  # not the canonical form of a number
        "eph-Shop-9ix/pr-1",
        "eph-shop-9ix/pr-0",
        "eph-shop-9ix/pr-01",
        "eph-shop-9ix/main",
        "eph-shop-9ix/pr-1\n",
        "payroll/production",
    ],
)
def test_foreign_stacks_do_not_parse(name: str) -> None:
    """A stack that isn't ours is never touched: it doesn't parse."""
    assert names.parse(StackRef(*name.split("/"))) is None


@given(SECRETS, IDS, NUMBERS)
def test_words_are_valid_in_a_host_name(secret: bytes, repository: int, number: int) -> None:
    made = names.unguessable_words(secret, keys.pull_request(repository, number))
    assert LEGAL.fullmatch(made)
    assert len(made) <= 24, "room for the project and the number in 63"


def test_words_are_stable_and_depend_on_the_key() -> None:
    """Y3: pinned, because a restart or an upgrade must give the same; another key, ID or number gives others."""
    secret = b"k" * 32

    def words(secret: bytes, repository: int, number: int) -> str:
        return names.unguessable_words(secret, keys.pull_request(repository, number))

    assert words(secret, 12345, 42) == words(secret, 12345, 42) == PINNED
    others = {words(*of) for of in [(b"l" * 32, 12345, 42), (secret, 12346, 42), (secret, 12345, 43)]}
    assert len(others | {PINNED}) == 4


PINNED = "firm-farm-gebs"


def test_words_have_36_bits() -> None:
    """Y3: at least 32 bits, counted: the number of possible names, and that each letter and word is equally likely."""
    assert len(set(ADJECTIVES)) == len(set(NOUNS)) == 256
    bits = math.log2(len(set(ADJECTIVES)) * len(set(NOUNS)) * len(set(names._LETTERS)) ** 4)
    assert bits == 36
    many = [names.unguessable_words(b"key", keys.pull_request(1, number)).split("-") for number in range(20_000)]
    assert len({"-".join(words) for words in many}) == 20_000
    for place in (0, 1):
        assert len(Counter(words[place] for words in many)) == 256
    letters = Counter(letter for words in many for letter in words[2])
    assert len(letters) == 32
    assert min(letters.values()) > 0.85 * 80_000 / 32


def test_incarnation_distinguishes_stacks_of_one_name() -> None:
    where = names.stack_ref(keys.pull_request(1, 1), "a/b")
    assert len({names.incarnation(b"key", where, nonce) for nonce in "abcdefgh"}) == 8
