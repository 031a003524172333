"""What Eph writes to a Git host, on each of them: the comment, the check, marks on a commit, a removed label.

Rows: L2, L5, P1, P2, S2, S3. Pitfalls 8 and 9.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.core.model.world import CheckState
from orchestrator.forges.port import APPROVED, EXPIRED, CheckReport, Conclusion
from tests.contracts.forge_hosts import Host, repository, require_support

MARKER = "<!-- eph:preview -->"
RUNNING = CheckReport(Conclusion.IN_PROGRESS, "Creating", "Making the database")
READY = CheckReport(Conclusion.SUCCESS, "Ready", "It answers", "http://shop.localhost/")
BROKEN = CheckReport(Conclusion.FAILURE, "Failed", "The build failed")


def test_one_comment_edited_in_place(host: Host) -> None:
    """P1, pitfall 8: never a second one, not even from a client without a cache."""
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    for state in ("creating", "ready", "ready"):
        forge.upsert_comment(shop, number, MARKER, f"{MARKER}\n{state}")
    assert host.comments(number) == [f"{MARKER}\nready"]
    host.client().upsert_comment(shop, number, MARKER, f"{MARKER}\nfailed")
    assert host.comments(number) == [f"{MARKER}\nfailed"]


def test_strangers_copy_of_the_marker_is_not_ours(host: Host) -> None:
    """P1, S3: quoting our comment doesn't make someone its author."""
    require_support(host, "strangers")
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    host.comment_as_stranger(number, f"{MARKER}\nmine")
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\nours")
    assert host.comments(number) == [f"{MARKER}\nours"]


def test_comment_is_read_back_with_the_time_of_its_last_change(host: Host) -> None:
    """S2: from the host, with its own clock, also by a client without a cache."""
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    assert forge.posted_comment(shop, number, MARKER) is None
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\none")
    first = forge.posted_comment(shop, number, MARKER)
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\ntwo")
    second = host.client().posted_comment(shop, number, MARKER)
    assert first is not None
    assert second is not None
    assert [each.body.splitlines() for each in (first, second)] == [[MARKER, "one"], [MARKER, "two"]]
    assert first.updated <= second.updated


def test_comment_and_answers_to_it_have_times_of_one_clock(host: Host) -> None:
    """S2: whether an answer came before or after a change of our comment is for the host alone to say."""
    require_support(host, "comments")
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    host.comment_as_writer(number, f"/eph up {MARKER}")
    forge.upsert_comment(shop, number, MARKER, f"{MARKER}\none")
    host.comment_as_writer(number, "/eph why")
    posted = forge.posted_comment(shop, number, MARKER)
    before, after = forge.comments_since(shop, datetime(2020, 1, 1, tzinfo=UTC), ("/eph",))
    assert posted is not None
    assert before.created <= posted.updated <= after.created


def test_comment_without_its_marker_is_rejected(host: Host) -> None:
    """P1: it could never be found again."""
    forge, shop = repository(host)
    with pytest.raises(ValueError, match="marker"):
        forge.upsert_comment(shop, 1, MARKER, "no marker here")


def test_our_check_goes_through_its_states(host: Host) -> None:
    """P2, pitfall 9: one check of a name per commit, with the current state."""
    forge, shop = repository(host)
    first = host.push("one", {"message.txt": "one\n"})
    second = host.push("one", {"message.txt": "two\n"})
    forge.report_check(shop, first, "eph", RUNNING)
    assert host.reports(first) == {"eph": "in_progress"}
    forge.report_check(shop, first, "eph", READY)
    host.client().report_check(shop, second, "eph", BROKEN)
    assert host.reports(first) == {"eph": "success"}
    assert host.reports(second) == {"eph": "failure"}


def test_mark_on_a_commit_is_found_and_removed(host: Host) -> None:
    """L2, design 'decisions about one commit': expiry survives us, and a new push starts again."""
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    assert forge.decisions(shop, sha) == {}
    forge.mark(shop, sha, EXPIRED, "Expired after 72 h")
    assert host.client().decisions(shop, sha) == {EXPIRED: "Expired after 72 h"}
    assert forge.decisions(shop, host.push("one", {"message.txt": "two\n"})) == {}
    forge.mark(shop, sha, APPROVED, "Approved by ada")
    assert host.client().decisions(shop, sha) == {EXPIRED: "Expired after 72 h", APPROVED: "Approved by ada"}
    forge.mark(shop, sha, EXPIRED, "")
    assert host.client().decisions(shop, sha) == {APPROVED: "Approved by ada"}


def test_marks_of_others_neither_count_nor_hide_ours(host: Host) -> None:
    """S2, S3: anyone who can push can set a status of any name, and a workflow job is a check run of any name."""
    require_support(host, "strangers", "statuses")
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    host.set_status(sha, APPROVED, CheckState.PASSED)
    assert forge.decisions(shop, sha) == {}
    forge.mark(shop, sha, EXPIRED, "Expired after 72 h")
    host.set_status(sha, EXPIRED, CheckState.PASSED)
    host.set_check(sha, f"{APPROVED}/tag-1", CheckState.PASSED)
    assert host.client().decisions(shop, sha) == {EXPIRED: "Expired after 72 h"}


def test_label_is_removed_and_may_be_gone_already(host: Host) -> None:
    """L5 (expiry), L3."""
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    host.label(number, "preview")
    host.label(number, "size: s/m")
    forge.remove_label(shop, number, "preview")
    forge.remove_label(shop, number, "preview")
    assert forge.pulls(shop).open[0].labels == {"size: s/m"}
    forge.remove_label(shop, number, "size: s/m")
    assert forge.pulls(shop).open[0].labels == frozenset()
