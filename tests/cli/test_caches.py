"""`eph cache list` and `eph cache clear`, and their API: P5, S1."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.service.fake import FakeEnvironmentService
from orchestrator.service.port import BuildCache
from tests.cli.conftest import Eph

USED = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def caches(desk: FakeEnvironmentService) -> None:
    desk.caches = [
        BuildCache("local", "42", "demo/shop", 12_000_000, USED),
        BuildCache("static", "43", "", 5_000, USED),
    ]


def test_caches_are_listed(eph: Eph) -> None:
    done = eph("cache", "list")
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["demo/shop", "local"], ["43", "static"]]
    assert "12.0 MB" in done.stdout
    listed = json.loads(eph("cache", "list", "-o", "json").stdout)["items"]
    assert [item["size"] for item in listed] == [12_000_000, 5_000]


def test_one_repository_or_all_are_cleared_by_admins_only(eph: Eph, desk: FakeEnvironmentService) -> None:
    for role in ("viewer", "developer"):
        assert eph("cache", "list", role=role).exit_code == ExitCode.UNAUTHORISED
        assert eph("cache", "clear", "--all", "--yes", role=role).exit_code == ExitCode.UNAUTHORISED
    assert desk.calls == []
    assert "demo/shop" in eph("cache", "clear", "demo/shop", "--yes").stdout
    assert eph("cache", "clear", "--all", "--yes").exit_code == 0
    assert "no build caches" in eph("cache", "clear", "--all", "--yes").stdout
    assert desk.calls[:2] == [
        ("clear_build_caches", "demo/shop", "admin-name"),
        ("clear_build_caches", "", "admin-name"),
    ]


def test_what_to_clear_must_be_said(eph: Eph, desk: FakeEnvironmentService) -> None:
    """A missing name must not clear everything."""
    assert eph("cache", "clear", "--yes").exit_code == ExitCode.USAGE
    assert eph("cache", "clear", "demo/shop", "--all", "--yes").exit_code == ExitCode.USAGE
    assert "demo/shop" in eph("cache", "clear", "demo/other", "--yes").output
    assert desk.calls == []
