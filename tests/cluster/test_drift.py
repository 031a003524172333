"""Changes behind Eph's back on a real cluster: detected by the watch, reported, and repaired by the next operation, as
ephd's loop orders it (L9, C2).

One environment; the tests depend on each other in this order.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from orchestrator.core.planning import drift_detection
from orchestrator.core.planning.drift_detection import Drift, DriftKind
from programs.spec import EnvironmentSpec
from programs.targets.kubernetes import settings
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.observation import cluster_watch
from programs.targets.kubernetes.target import TARGET
from tests.cluster.cluster_access import wait_for
from tests.cluster.environments import DATABASE, OperationRunner, Page

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def spec(eph: OperationRunner) -> EnvironmentSpec:
    made = eph.spec(81, eph.repository.push({"a": "1"}), databases=(DATABASE,))
    eph.assert_succeeded(eph.up(made))
    return made


def detect_drift(eph: OperationRunner) -> tuple[Drift, ...]:
    """As the loop sees it in each cycle."""
    return drift_detection.detect(eph.record(81), TARGET.live_resources(eph.settings))


def assert_repaired(eph: OperationRunner, spec: EnvironmentSpec) -> None:
    assert wait_for(lambda: detect_drift(eph) == (), 30)
    page = Page(eph.site, spec.host)
    assert spec.source.commit in page.wait_for_text()
    assert page.wait_for_text("/query", sql="select count(*) from fruit") == "3", "seeded and migrated, once"


def test_created_objects_exist_and_nothing_else(eph: OperationRunner, spec: EnvironmentSpec) -> None:
    assert detect_drift(eph) == ()
    on = settings.from_mapping(eph.settings)
    assert wait_for(lambda: cluster_watch.is_watching(on), 30), "the watch took over from the lists"
    assert_repaired(eph, spec)
    held = {thing.resource_id for thing in TARGET.list_resources(eph.settings)}
    assert {part for part in held if part not in eph.record(81).resource_names} == set()


def test_deletions_changes_and_additions_are_listed_and_repaired(eph: OperationRunner, spec: EnvironmentSpec) -> None:
    kubectl, space = eph.site.kubectl, spec.name
    changed = [{"op": "replace", "path": "/spec/selector", "value": {"app": "another"}}]
    kubectl("-n", space, "patch", "service", "web", "--type=json", "-p", json.dumps(changed))
    kubectl("-n", space, "delete", "deployment,statefulset", "--all")
    kubectl("-n", space, "create", "configmap", "by-hand", "--from-literal=a=b")
    server = f"statefulset-{object_names.database(DATABASE)}"
    seen = (Drift("deployment-web"), Drift("service-web", DriftKind.CHANGED), Drift(server))
    assert wait_for(lambda: detect_drift(eph) == seen and seen, 30)
    eph.assert_succeeded(eph.up(spec, refresh=True))
    assert_repaired(eph, spec)
    assert eph.site.get("service", "web", "-n", space)["spec"]["selector"] == {object_names.SERVICE: "web"}
    parts = eph.record(81).resource_names
    added = [thing for thing in TARGET.list_resources(eph.settings) if thing.resource_id not in parts]
    assert [thing.name for thing in added] == [f"{space}/by-hand"]
    assert TARGET.delete_resource(added[0], eph.settings)
    assert kubectl("-n", space, "get", "configmap", "by-hand", "--ignore-not-found") == ""


def test_deleted_namespace_is_recreated_completely(eph: OperationRunner, spec: EnvironmentSpec) -> None:
    eph.site.kubectl("delete", "namespace", spec.name, "--wait=false")
    assert wait_for(lambda: Drift("namespace") in detect_drift(eph), 60)
    eph.assert_succeeded(eph.up(spec, refresh=True))
    assert_repaired(eph, spec)


def test_expiry_is_on_the_namespace(eph: OperationRunner, spec: EnvironmentSpec) -> None:
    def told() -> str:
        return str(eph.site.get("namespace", spec.name)["metadata"]["annotations"].get(object_names.EXPIRES_AT))

    TARGET.set_expiry(spec.name, eph.settings, datetime(2030, 1, 2, tzinfo=UTC))
    assert told() == "2030-01-02T00:00:00+00:00"
    TARGET.set_expiry(spec.name, eph.settings, None)
    assert told() == "never"
    TARGET.set_expiry("shop-is-not-there-9", eph.settings, None)
    assert detect_drift(eph) == (), "a date is no change"


def test_destroyed_leaves_nothing(eph: OperationRunner, spec: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.down(81))
    assert eph.remaining() == []
