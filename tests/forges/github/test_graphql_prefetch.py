"""Many commits in one query (GraphQL), on a host that supports it. Rows: L3, L4, S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.model.world import CheckState
from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.github.commits.graphql import CommitRef, build_query, parse_response
from orchestrator.forges.github.github_forge import AppKey, GitHubForge
from orchestrator.forges.port import APPROVED, EXPIRED, Repository

SHOP = "ada/shop"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DemoGitHub]:
    made = DemoGitHub(tmp_path / "sandbox")
    made.start()
    made.create_repository(SHOP, {"eph.yaml": "version: 1\n"})
    yield made
    made.close()


@pytest.fixture
def forge(world: DemoGitHub) -> Iterator[GitHubForge]:
    key = AppKey(*world.create_app("eph-previews"))
    world.install_app(key.app_id, "ada")
    made = GitHubForge(world.api_url, key, [SHOP])
    yield made
    made.close()


def request_count(world: DemoGitHub) -> int:
    return int(world.stats()["requests"])


def test_many_commits_are_one_query(world: DemoGitHub, forge: GitHubForge) -> None:
    """L4: checks, marks and eph.yaml of twenty commits for one request, and nothing after it."""
    [shop] = forge.repositories()
    shas = [world.push(SHOP, "one", {"n": str(number)}) for number in range(20)]
    for number, sha in enumerate(shas):
        world.set_check(SHOP, sha, "build", "success" if number % 2 else None)
        world.set_status(SHOP, sha, "ci/lint", "failure")
    forge.mark(shop, shas[3], EXPIRED, "Expired")
    before = request_count(world)
    forge.prefetch([(shop, sha) for sha in shas], "eph.yaml")
    assert request_count(world) - before == 1
    for number, sha in enumerate(shas):
        state = CheckState.PASSED if number % 2 else CheckState.PENDING
        assert forge.checks(shop, sha) == {"build": state, "ci/lint": CheckState.FAILED}
        assert forge.decisions(shop, sha) == ({EXPIRED: "Expired"} if number == 3 else {})
        assert forge.file(shop, "eph.yaml", sha, 100) == b"version: 1\n"
    assert request_count(world) - before == 1
    forge.prefetch([(shop, sha) for sha in shas], "eph.yaml")
    assert request_count(world) - before == 1
    forge.prefetch([(shop, sha) for sha in shas], "eph.yaml", frozenset({(shop.id, shas[0])}))
    assert request_count(world) - before == 2


def test_someone_elses_newer_mark_does_not_hide_ours(world: DemoGitHub, forge: GitHubForge) -> None:
    """S3: GraphQL returns only the newest status of a name; then the whole list is requested."""
    [shop] = forge.repositories()
    sha = world.push(SHOP, "one", {"x": "x"})
    forge.mark(shop, sha, APPROVED, "by grace")
    world.set_status(SHOP, sha, APPROVED, "success", by="grace")
    forge.prefetch([(shop, sha)], "eph.yaml")
    assert forge.decisions(shop, sha) == {APPROVED: "by grace"}
    other = world.push(SHOP, "one", {"x": "y"})
    world.set_status(SHOP, other, APPROVED, "success", by="grace")
    forge.prefetch([(shop, other)], "eph.yaml")
    assert forge.decisions(shop, other) == {}


@pytest.mark.parametrize(
    "fault",
    [{"status": 404}, {"status": 403, "body": '{"message": "no"}'}, {"status": 502}, {"truncate": 40},
     {"status": 200, "body": '{"data": null, "errors": [{"message": "timeout"}]}'}, {"status": 200, "body": "[]"},
     {"status": 200, "body": '{"data": {"r0": {"databaseId": 1, "c0": {}}, "r1": 7}}'}],
    ids=["none there", "not allowed", "502", "cut", "no data", "a list", "another repository"],
)  # fmt: skip
def test_without_a_response_each_commit_is_requested_singly(
    world: DemoGitHub, forge: GitHubForge, fault: dict[str, Any]
) -> None:
    """L4: an old server, a missing permission or a bad day cost requests, and never give a wrong result."""
    [shop] = forge.repositories()
    sha = world.push(SHOP, "one", {"x": "x"})
    world.set_check(SHOP, sha, "build", "success")
    world.fail_next(path="/graphql", **fault)
    forge.prefetch([(shop, sha)], "eph.yaml")
    assert forge.checks(shop, sha) == {"build": CheckState.PASSED}
    assert forge.decisions(shop, sha) == {}
    assert forge.file(shop, "eph.yaml", sha, 100) == b"version: 1\n"


def test_rate_limit_in_graphql_is_obeyed(world: DemoGitHub, forge: GitHubForge) -> None:
    """L4: it comes in a response with status 200."""
    [shop] = forge.repositories()
    sha = world.push(SHOP, "one", {"x": "x"})
    body = '{"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}'
    world.fail_next(path="/graphql", status=200, body=body)
    forge.prefetch([(shop, sha)], "eph.yaml")
    assert forge.usage().blocked_for > 50


def test_names_cannot_escape_their_quotes() -> None:
    """S3: JSON strings, which are inserted into the query, are valid GraphQL strings."""
    text = build_query([CommitRef('/repos/a"b/c\\d', 1, 'x"){evil}')], 'p"q')
    assert 'owner: "a\\"b", name: "c\\\\d"' in text
    assert 'oid: "x\\"){evil}"' in text
    assert 'path: "p\\"q"' in text


def test_foreign_responses_are_ignored() -> None:
    places = [CommitRef("/repos/a/b", 1, "a" * 40)]
    for data in ({}, {"data": {"r0": None}}, {"data": {"r0": {"databaseId": 2, "c0": {"file": None}}}},
                 {"data": {"r0": {"databaseId": 1, "c7": {"file": None}, "c0": None}}}):  # fmt: skip
        assert parse_response(data, places) == {}


def test_another_repositorys_response_is_not_used(world: DemoGitHub, forge: GitHubForge) -> None:
    """L7: the name leads elsewhere now; the ID doesn't match."""
    [shop] = forge.repositories()
    sha = world.push(SHOP, "one", {"x": "x"})
    forge.prefetch([(Repository(shop.id + 1000, shop.full_name, "/x", "main"), sha)], "eph.yaml")
    assert not forge._files.is_cached(shop.id + 1000, "eph.yaml", sha)
