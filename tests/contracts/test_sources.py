"""One contract for every source of requests, the fake included. Rows: L1, L3, L7. Pitfalls 3, 11."""

from __future__ import annotations

import pytest

from orchestrator.core.model.world import EnvironmentRequest, Existence, Recipe, RecipeError
from orchestrator.forges.port import ForgeError
from orchestrator.sources.port import SourceListing, by_kind
from stacks.model import Key
from tests.contracts.source_harnesses import HARNESSES, HOSTED, FakeSourceHarness, HostedHarness, SourceHarness


@pytest.fixture(params=sorted(HARNESSES))
def harness(request: pytest.FixtureRequest) -> SourceHarness:
    return HARNESSES[request.param]()


@pytest.fixture(params=sorted(HOSTED))
def hosted(request: pytest.FixtureRequest) -> HostedHarness:
    return HOSTED[request.param]()


def listing(harness: SourceHarness) -> SourceListing:
    return harness.source.list_open(harness.repository, harness.existing)


def requests(harness: SourceHarness) -> dict[Key, EnvironmentRequest]:
    found = (candidate.read() for candidate in listing(harness).candidates)
    return {request.key: request for request in found if request is not None}


def confirm(harness: SourceHarness, key: Key, name: str) -> tuple[Existence, str]:
    answer = harness.source.confirm(harness.repository, key, f"release/{name}")
    assert answer.key == key
    return answer.existence, answer.reason


def test_a_request_has_what_the_plan_needs(harness: SourceHarness) -> None:
    key = harness.request("one")
    request = requests(harness)[key]
    assert key.kind in harness.source.kinds
    assert isinstance(request.recipe, Recipe)
    assert request.commit
    assert request.ref
    assert request.reason
    assert (request.withdrawn, request.excluded, request.undecided, request.expired) == ("", "", "", False)


def test_push_changes_the_commit(harness: SourceHarness) -> None:  # L1, pitfall 11
    key = harness.request("one")
    before = requests(harness)[key].commit
    commit = harness.push("one")
    assert requests(harness)[key].commit == commit != before


def test_every_candidate_is_open_and_listed_once(harness: SourceHarness) -> None:
    asked = {harness.request("one"), harness.request("two")}
    found = listing(harness)
    assert found.complete
    assert sorted(candidate.key for candidate in found.candidates) == sorted(asked)
    assert asked <= found.open


def test_what_requests_nothing_any_more_is_reported_with_a_reason(harness: SourceHarness) -> None:  # L3, L7
    one, two = harness.request("one"), harness.request("two")
    harness.withdraw("one")
    found = listing(harness)
    assert found.complete
    assert sorted(requests(harness)) == [two]
    reason = found.unrequested.get(one, "")
    if one not in found.open:
        existence, reason = confirm(harness, one, "one")
        assert existence is Existence.ENDED
    assert reason


def test_what_is_there_is_confirmed_as_present(harness: SourceHarness) -> None:
    key = harness.request("one")
    assert confirm(harness, key, "one") == (Existence.PRESENT, "")


def test_what_was_removed_is_not_open_and_confirmed_as_absent_with_a_reason(hosted: HostedHarness) -> None:  # L7
    one, two = hosted.request("one"), hosted.request("two")
    hosted.remove("one")
    found = listing(hosted)
    assert found.complete
    assert found.open == {two}
    assert one not in found.unrequested
    existence, reason = confirm(hosted, one, "one")
    assert existence in (Existence.ENDED, Existence.GONE)
    assert reason


def test_a_list_that_lacks_a_part_says_so(hosted: HostedHarness) -> None:  # L7, pitfall 3
    asked = {hosted.request("one"), hosted.request("two")}
    hosted.lose_half()
    found = listing(hosted)
    assert not found.complete
    assert found.reason
    assert len(found.open & asked) == 1
    assert found.unrequested.keys() <= found.open


def test_a_failed_read_is_not_an_empty_list(hosted: HostedHarness) -> None:  # L7, pitfall 3
    hosted.request("one")
    here = hosted.repository
    hosted.disconnect()
    try:
        found = hosted.source.list_open(here, {})
    except ForgeError:
        return
    assert not found.complete
    assert found.reason


def test_a_failed_query_confirms_nothing(hosted: HostedHarness) -> None:  # L7, pitfall 3
    key, here = hosted.request("one"), hosted.repository
    hosted.disconnect()
    with pytest.raises(ForgeError):
        hosted.source.confirm(here, key, "release/one")


def test_an_unreadable_commit_keeps_its_request(harness: SourceHarness) -> None:
    key = harness.request("one")
    [candidate] = listing(harness).candidates
    error = RecipeError(("it crashed",), frozenset(), transient=True)
    request = candidate.unreadable(error)
    assert (request.key, request.commit, request.recipe) == (key, candidate.commit, error)


def test_two_sources_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="both read the kind tag"):
        by_kind((FakeSourceHarness().source, FakeSourceHarness().source))
