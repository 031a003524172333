"""Keys: made, printed and read in one place, and the numbers that earlier versions stored still read. L3, Y3, P9."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import keys, names
from stacks.model import Key, RefKind, StackRef

IDS = st.integers(0, 2**63 - 1)
REF_KINDS = st.sampled_from([RefKind.BRANCH, RefKind.TAG, RefKind.DEPLOY])
REFS = st.builds(keys.ref, IDS, REF_KINDS, st.text(min_size=1, max_size=250))
PULL_REQUESTS = st.builds(keys.pull_request, IDS, st.integers(1, 2**31 - 1))

STORED = [
    (42, "pr-42", keys.pull_request(12345, 42)),
    (377_930_057_248_458, "branch-3pyqo67y6i", keys.ref(12345, RefKind.BRANCH, "main")),
    (33_105_215_213_819, "tag-bqgbqdxiz", keys.ref(12345, RefKind.TAG, "v1.0")),
]
"""A number and a stack name that version 1 stored, and the key that they mean."""


@pytest.mark.parametrize(("number", "stack", "key"), STORED)
def test_what_earlier_versions_stored_is_the_same_key(number: int, stack: str, key: Key) -> None:
    assert keys.from_number(12345, number) == key
    assert keys.to_number(key) == number
    assert names.parse(StackRef("eph-shop-9ix", stack)) == key
    assert keys.stack_name(key) == stack


@given(REFS | PULL_REQUESTS)
def test_a_key_reads_back(key: Key) -> None:
    """From a stack's name, and from the number in stored data, which JSON readers keep exact."""
    assert keys.parse_stack_name(key.repository, keys.stack_name(key)) == key
    assert keys.from_number(key.repository, keys.to_number(key)) == key
    assert keys.to_number(key) < 2**53


@given(REFS)
def test_a_ref_has_a_legal_stack_name_and_is_never_a_pull_request(key: Key) -> None:
    made = names.stack_ref(key, "acme/shop")
    assert made.stack.isascii()
    assert made.stack.replace("-", "").isalnum()
    assert len(made.stack) <= 63
    assert made.stack.startswith(f"{key.kind}-")
    with pytest.raises(ValueError, match="has no number"):
        _ = key.number


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_refs_have_two_keys(one: str, other: str) -> None:
    """Y3: a branch, a tag and a label deploy of one name, too."""
    branch = keys.ref(1, RefKind.BRANCH, one)
    assert len({branch.id, keys.ref(1, RefKind.TAG, one).id, keys.ref(1, RefKind.DEPLOY, one).id}) == 3
    assert one == other or branch != keys.ref(1, RefKind.BRANCH, other)


@given(st.lists(REFS | PULL_REQUESTS))
def test_keys_sort_by_repository_then_number_and_refs_last(unsorted: list[Key]) -> None:
    assert sorted(unsorted) == sorted(unsorted, key=lambda key: (key.repository, keys.to_number(key)))


@pytest.mark.parametrize(
    "stack", ["branch-1", "tag-{id}", "branch-0{id}", "branch-{id} ", "pr-10000000000", "deploy-{id}"]
)
def test_a_stack_that_no_branch_can_have_is_not_ours(stack: str) -> None:
    branch = keys.ref(12345, RefKind.BRANCH, "main")
    assert names.parse(StackRef("eph-shop-9ix", f"branch-{branch.id}")) == branch
    assert names.parse(StackRef("eph-shop-9ix", stack.format(id=branch.id))) is None


def test_a_pull_request_has_no_name() -> None:
    with pytest.raises(ValueError, match="identified by its number"):
        keys.ref(1, RefKind.PULL, "42")
