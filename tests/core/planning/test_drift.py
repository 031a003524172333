"""What a state knows and its target no longer has, and how it is said: L9."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.planning import drift_detection
from orchestrator.core.planning.drift_detection import Drift, DriftKind
from programs.drift_wording import DriftWording
from programs.inventory import DRIFTED, PROCESS_KINDS
from stacks import keys, names
from stacks.model import BuildInfo, StackRecord
from tests.worlds.plan.pull_requests import START, sha

BUILT = BuildInfo(sha("a"), "0" * 16, "local-2", "local", "http://x", {}, START)
PARTS = {"Database:e/eph_app": "database-app", "Seed:e/eph_app": "seed-app", "Route:e/h": "route-web", "Home:e": "home"}
RECORD = StackRecord(names.stack_ref(keys.pull_request(8, 1), "acme/shop"), built=BUILT, resource_names=PARTS)
THERE = {"Database": frozenset({"e/eph_app"}), "Route": frozenset({"e/h"})}


def test_only_what_the_target_can_look_at_can_be_lost() -> None:
    assert drift_detection.detect(RECORD, THERE) == ()
    assert drift_detection.detect(RECORD, {}) == (), "it could not be looked at"
    assert drift_detection.detect(RECORD, {"Route": frozenset()}) == (Drift("route-web"),)
    assert drift_detection.detect(RECORD, {**THERE, "Database": frozenset({"other/x"})}) == (Drift("database-app"),)
    for unsure in (replace(RECORD, built=None), replace(RECORD, unreadable="cut")):
        assert drift_detection.detect(unsure, {"Route": frozenset()}) == ()


def test_what_somebody_changed_counts_and_a_namespace_stands_for_all_in_it() -> None:
    parts = {"Namespace:e": "namespace", "Service:e/web": "service-web", "Deployment:e/web": "deployment-web"}
    record = replace(RECORD, resource_names=parts, target="kubernetes")
    there = {"Namespace": frozenset({"e"}), "Service": frozenset({"e/web"}), "Deployment": frozenset({"e/web"})}
    assert drift_detection.detect(record, {**there, DRIFTED: frozenset({"Service:e/web"})}) == (
        Drift("service-web", DriftKind.CHANGED),
    )
    assert drift_detection.detect(record, {**there, "Service": frozenset()}) == (Drift("service-web", DriftKind.GONE),)
    everything = drift_detection.detect(record, dict.fromkeys(there, frozenset()))
    assert [drift.name for drift in everything] == ["deployment-web", "namespace", "service-web"]
    wording = DriftWording(containers=frozenset({"namespace"}))
    assert drift_detection.describe(everything, wording) == "the namespace is gone"
    assert drift_detection.describe_repair(everything, (), wording) == "the namespace was gone; it was recreated"
    assert drift_detection.detect(record, {"Service": frozenset(), PROCESS_KINDS: frozenset({"Service"})}) == (
        Drift("service-web", DriftKind.STOPPED),
    )


WORDING = DriftWording(seeds={"database-": "seed-"})
APP = Drift("database-app")
STOPPED, CHANGED_WEB = Drift("service-web", DriftKind.STOPPED), Drift("service-web", DriftKind.CHANGED)


@pytest.mark.parametrize(
    ("lost", "now", "then"),
    [
        (
            [CHANGED_WEB],
            "the service web was changed outside of Eph",
            "the service web had been changed outside of Eph; it was restored",
        ),
        (
            [Drift(f"part-{n}") for n in range(5)],
            "the part 0 is gone, the part 1 is gone, the part 2 is gone, and 2 more resources",
            "the part 0 was gone, the part 1 was gone, the part 2 was gone, and 2 more resources; they were recreated",
        ),
        (
            [Drift("database-app")],
            "the database app is gone",
            "the database app was gone; it was recreated and seeded",
        ),
        ([Drift("database-log")], "the database log is gone", "the database log was gone; it was recreated"),
        ([STOPPED], "the service web isn't running", "the service web wasn't running; it was restarted"),
        (
            [Drift("route-web"), STOPPED],
            "the route web is gone, the service web isn't running",
            "the route web was gone, the service web wasn't running; they were recreated and restarted",
        ),
        ([Drift("checkout")], "the checkout is gone", "the checkout was gone; it was recreated"),
    ],
)
def test_it_is_said_in_one_sentence(lost: list[Drift], now: str, then: str) -> None:
    assert drift_detection.describe(lost, WORDING) == now
    assert drift_detection.describe_repair(lost, PARTS.values(), WORDING) == then
