"""``eph audit``, ``eph sweep`` and ``eph approve`` with a real server. Rows: C2, P5."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from typer.testing import Result

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.core.orphans.orphan_audit import AuditResult, OrphanedResource
from orchestrator.service.fake import FakeEnvironmentService

Eph = Callable[..., Result]
NAME = "shop-gentle-stream-42"
ORPHAN = OrphanedResource(
    "database", "eph_stray", "local", NAME, "the stack has 9 parts, and not this", 'psql -c "DROP"'
)


def test_audit_lists_each_orphan_and_its_exit_code_shows_the_result(eph: Eph, desk: FakeEnvironmentService) -> None:
    """C2: 0 clean, 1 orphans, 2 not everything could be checked, which never counts as clean."""
    clean = eph("audit")
    assert (clean.exit_code, clean.stdout) == (0, "0 orphans; checked nothing\n")
    desk.audit_result = AuditResult((), ("the target local could not be looked at",), {"stacks": 3})
    blind = eph("audit")
    assert blind.exit_code == 2
    assert "not checked: the target local" in blind.stderr
    desk.audit_result = AuditResult((ORPHAN,), ("and something else",), {"stacks": 3, "local": 40})
    found = eph("audit")
    assert found.exit_code == 1
    for part in (
        "local: database eph_stray",
        NAME,
        "9 parts",
        'remove: psql -c "DROP"',
        "checked 3 stacks, 40 local",
    ):
        assert part in found.stdout
    assert "`eph sweep` removes 1 of them" in found.stderr
    told = eph("audit", "-o", "json")
    assert told.exit_code == 1
    data = json.loads(told.stdout)
    assert (data["clean"], data["orphans"][0]["whose"], data["orphans"][0]["swept"]) == (False, NAME, True)
    assert eph("audit", role="viewer").exit_code == 3


def test_audit_shows_costs_and_deletes_only_after_a_confirmation(eph: Eph, desk: FakeEnvironmentService) -> None:
    """C2: each orphan's daily cost, "unknown" where it isn't known; --yes for scripts."""
    balancer = replace(ORPHAN, kind="rds:db", location="aws", priced=True, hourly=Decimal("0.5"))
    bucket = replace(ORPHAN, kind="s3:bucket", location="aws", priced=True)
    desk.audit_result, desk.orphans = AuditResult((ORPHAN, balancer, bucket)), ["removed aws: rds:db"]
    listed = eph("audit")
    assert [line.strip() for line in listed.stdout.splitlines() if "cost" in line] == [
        "cost: about $12.00 a day",
        "cost: unknown",
        "orphans cost about $12.00 a day, without 1 of unknown cost",
    ]
    data = json.loads(eph("audit", "-o", "json").stdout)["orphans"]
    assert [(one["priced"], one["daily_cost"]) for one in data] == [(False, None), (True, "12.0"), (True, None)]

    refused = eph("audit", "--delete")
    assert (refused.exit_code, desk.calls) == (ExitCode.USAGE, []), "a script can't answer"
    deleted = eph("audit", "--delete", "--yes")
    assert desk.calls[-1][:2] == ("sweep", "real")
    assert "removed aws: rds:db" in deleted.stderr
    assert deleted.exit_code == 1, "what a second audit still finds"
    desk.audit_result = AuditResult()
    calls = len(desk.calls)
    assert (eph("audit", "--delete", "--yes").exit_code, len(desk.calls)) == (0, calls), "nothing to remove"


def test_sweep_and_approve(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("sweep").stdout == "no orphans found\n"
    desk.orphans = ["The database eph_old belongs to no pull request."]
    dry = eph("sweep", "--dry-run")
    assert dry.stdout == "The database eph_old belongs to no pull request.\n"
    assert "nothing was removed" in dry.stderr
    assert len(desk.orphans) == 1
    desk.held_plans.add("abcdef0123")
    assert eph("approve", "abcdef0123").exit_code == 0
    assert eph("approve", "abcdef0123").exit_code == 6
    assert eph("approve", "what").exit_code == 4


def test_approval_of_a_fork_applies_to_the_commit_that_was_shown(eph: Eph, desk: FakeEnvironmentService) -> None:
    """S2: a script names the commit or passes --yes; the API accepts only all forty digits."""
    commit = desk.environment(NAME).wanted_commit
    unsaid = eph("approve", "demo/shop#42")
    assert unsaid.exit_code == 2
    assert commit in unsaid.stderr
    assert (
        eph("approve", "demo/shop#42", "--yes").stdout
        == f"commit {commit} is approved; each push needs a new approval\n"
    )
    assert desk.calls == [("approve_commit", NAME, "admin-name", commit)]
    assert eph("approve", "demo/shop#42", "--commit", commit).exit_code == 0
    older = eph("approve", "demo/shop#42", "--commit", "ab" * 20)
    assert older.exit_code == 6
    assert commit in older.stderr
    assert eph("approve", "demo/shop#42", "--commit", commit[:7]).exit_code == 2
    assert eph("approve", "demo/shop#42", "--yes", role="viewer").exit_code == 3
