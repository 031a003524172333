"""What a state knows and its target no longer has, and how it is said: L9."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core import drifts
from stacks import names
from stacks.model import Built, StackRecord
from tests.core.worlds import START, sha

BUILT = Built(sha("a"), "0" * 16, "local-2", "local", "http://x", {}, START)
PARTS = {"Database:e/eph_app": "database-app", "Seed:e/eph_app": "seed-app", "Route:e/h": "route-web", "Home:e": "home"}
RECORD = StackRecord(names.stack_ref(8, "acme/shop", 1), built=BUILT, parts=PARTS)
THERE = {"Database": frozenset({"e/eph_app"}), "Route": frozenset({"e/h"})}


def test_only_what_the_target_can_look_at_can_be_lost() -> None:
    assert drifts.lost(RECORD, THERE) == ()
    assert drifts.lost(RECORD, {}) == (), "it could not be looked at"
    assert drifts.lost(RECORD, {"Route": frozenset()}) == ("route-web",)
    assert drifts.lost(RECORD, {**THERE, "Database": frozenset({"other/x"})}) == ("database-app",)
    for unsure in (replace(RECORD, built=None), replace(RECORD, unreadable="cut")):
        assert drifts.lost(unsure, {"Route": frozenset()}) == ()


@pytest.mark.parametrize(
    ("lost", "now", "then"),
    [
        (["database-app"], "the database app is gone", "the database app was gone; it was made and seeded again"),
        (["database-log"], "the database log is gone", "the database log was gone; it was made again"),
        (["service-web"], "the service web does not run", "the service web did not run; it was started again"),
        (
            ["route-web", "service-web"],
            "the route web is gone, the service web does not run",
            "the route web was gone, the service web did not run; they were made and started again",
        ),
        (["checkout"], "the checkout is gone", "the checkout was gone; it was made again"),
    ],
)
def test_it_is_said_in_one_sentence(lost: list[str], now: str, then: str) -> None:
    assert drifts.noticed(lost) == now
    assert drifts.mended(lost, PARTS.values()) == then
