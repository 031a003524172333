"""Sleep and wake on a real Kubernetes (L5, C1, L2): scaled to zero and back without Pulumi, and nothing conflicts.

One module whose tests depend on each other, because each operation takes seconds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs.inventory import DRIFTED
from programs.restarts import RestartUnavailable
from programs.spec import EnvironmentSpec, HealthCheck, ServiceSpec
from programs.targets.kubernetes.target import TARGET
from stacks.model import OperationVerb, Outcome
from tests.cluster.cluster_access import wait_for
from tests.cluster.environments import DATABASE, SCHEMA, OperationRunner, Page

pytestmark = pytest.mark.real

MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: beside}
spec:
  replicas: 2
  selector: {matchLabels: {app: beside}}
  template:
    metadata: {labels: {app: beside}}
    spec:
      containers:
        - {name: beside, image: shop, command: [sh, -c, "exec sleep 3600"]}
"""


@pytest.fixture(scope="module")
def shop(eph: OperationRunner) -> EnvironmentSpec:
    commit = eph.repository.push({"db/schema.sql": SCHEMA, "k8s/beside.yaml": MANIFESTS})
    web = ServiceSpec("web", "", health=HealthCheck(deadline=90), image="shop", port=8080, after=("api",))
    api = ServiceSpec("api", "exec tools serve", public=False, image="shop", port=9000)
    nightly = ServiceSpec("nightly", "true", public=False, image="shop", schedule="0 3 * * *")
    parts = {"services": (web, api, nightly), "databases": (DATABASE,), "manifests": ("k8s",)}
    return eph.spec(7, commit, **parts)


def replica_counts(eph: OperationRunner, shop: EnvironmentSpec) -> dict[str, int]:
    """The number of replicas of each workload."""
    items = eph.site.get("deployments,statefulsets", "-n", shop.name)["items"]
    return {item["metadata"]["name"].partition("-main")[0]: item["spec"]["replicas"] for item in items}


def suspended(eph: OperationRunner, shop: EnvironmentSpec) -> bool:
    items = eph.site.get("cronjobs", "-n", shop.name)["items"]
    return bool(items[0]["spec"].get("suspend"))


def route(eph: OperationRunner, shop: EnvironmentSpec) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(eph.settings["routes"]) / f"{shop.host}.json").read_text())
    return found


AWAKE = {"web": 1, "api": 1, "beside": 2, "eph-db": 1}


def test_falls_asleep_without_pulumi_and_keeps_its_data(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.up(shop))
    assert replica_counts(eph, shop) == AWAKE
    result = eph.sleep_or_wake(7, OperationVerb.SLEEP)
    eph.assert_succeeded(result)
    assert result.pulumi_processes == 0
    assert replica_counts(eph, shop) == {**AWAKE, "web": 0, "api": 0, "beside": 0}, (
        "without a volume the database stays"
    )
    assert suspended(eph, shop)
    assert (route(eph, shop)["asleep"], route(eph, shop)["health"]) == (True, "/healthz")
    wait_for(
        lambda: len(eph.site.get("pods", "-n", shop.name, "--field-selector=status.phase=Running")["items"]) == 1, 60
    )
    tag = eph.record(7).tag
    assert tag is not None
    assert tag.asleep
    eph.assert_succeeded(eph.sleep_or_wake(7, OperationVerb.SLEEP))


def test_wakes_in_order_and_responds_when_reported_awake(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    result = eph.sleep_or_wake(7, OperationVerb.WAKE)
    eph.assert_succeeded(result)
    assert result.pulumi_processes == 0
    page = Page(eph.site, shop.host)
    assert page.request()[0] == 200, "at once, through the ingress controller"
    assert set(page.wait_for_text("/query", sql="select name from fruit order by 1").splitlines()) >= {"apple", "pear"}
    assert replica_counts(eph, shop) == AWAKE
    assert not suspended(eph, shop)
    assert not route(eph, shop)["asleep"]
    again = eph.up(shop)
    eph.assert_succeeded(again)
    assert {key: count for key, count in again.changes.items() if key != "same"} == {}, "Pulumi does not fight it"


def test_restart_replaces_pods_and_no_update_or_drift_follows(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    """P5 L9: services only; the database and the annotation's writer stay."""

    def pods() -> dict[str, str]:
        """The live pod of each service."""
        items = eph.site.get("pods", "-n", shop.name)["items"]
        live = [item for item in items if not item["metadata"].get("deletionTimestamp")]
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in live}

    before = pods()
    assert TARGET.restart(shop.name, eph.settings, "web") == ["web"]
    wait_for(lambda: not any(name.startswith("web-") for name in before.keys() & pods().keys()), 90)
    assert {name for name in pods() if not name.startswith("web-")} == {n for n in before if not n.startswith("web-")}
    assert Page(eph.site, shop.host).wait_for_text("/")
    drifted = TARGET.live_resources(eph.settings)[DRIFTED]
    assert not [part for part in drifted if shop.name in part]
    again = eph.up(shop)
    eph.assert_succeeded(again)
    assert {key: count for key, count in again.changes.items() if key != "same"} == {}
    [database] = eph.site.get("statefulsets", "-n", shop.name)["items"]
    with pytest.raises(RestartUnavailable, match="would delete its data"):
        TARGET.restart(shop.name, eph.settings, database["metadata"]["name"])
    with pytest.raises(RestartUnavailable, match="no service 'worker'"):
        TARGET.restart(shop.name, eph.settings, "worker")


def test_push_while_asleep_wakes_it(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.sleep_or_wake(7, OperationVerb.SLEEP))
    commit = eph.repository.push({"a": "2"})
    pushed = replace(shop, source=replace(shop.source, commit=commit))
    eph.assert_succeeded(eph.up(pushed))
    assert replica_counts(eph, shop) == AWAKE
    assert f"commit {commit}" in Page(eph.site, shop.host).wait_for_text()
    assert not route(eph, shop)["asleep"]


def test_starts_with_its_first_request_and_not_before(eph: OperationRunner) -> None:
    """M4: no pod exists before that, also after a further commit, and what starts it isn't in conflict with Pulumi."""
    web = ServiceSpec("web", "", health=HealthCheck(deadline=90), image="shop", port=8080)
    commit = eph.repository.push({"db/schema.sql": SCHEMA, "a": "3"})
    asked = eph.spec(8, commit, services=(web,), databases=(DATABASE,), asleep=True)
    eph.assert_succeeded(eph.up(asked))
    assert replica_counts(eph, asked) == {"web": 0, "eph-db": 1}
    assert route(eph, asked)["asleep"]
    commit = eph.repository.push({"a": "4"})
    asked = replace(asked, source=replace(asked.source, commit=commit))
    eph.assert_succeeded(eph.up(asked))
    assert eph.site.pods_created(asked.name, "web") == 0

    eph.assert_succeeded(eph.sleep_or_wake(8, OperationVerb.WAKE))
    assert f"commit {commit}" in Page(eph.site, asked.host).wait_for_text()
    assert eph.site.pods_created(asked.name, "web") == 1
    eph.assert_succeeded(eph.up(replace(asked, asleep=False)))
    assert replica_counts(eph, asked)["web"] == 1

    eph.assert_succeeded(eph.sleep_or_wake(8, OperationVerb.SLEEP))
    commit = eph.repository.push({"a": "5"})
    asked = replace(asked, source=replace(asked.source, commit=commit))
    eph.assert_succeeded(eph.up(asked))
    assert replica_counts(eph, asked)["web"] == 0
    eph.assert_succeeded(eph.up(replace(asked, asleep=False)))
    assert f"commit {commit}" in Page(eph.site, asked.host).wait_for_text()
    eph.assert_succeeded(eph.down(8))


@pytest.mark.long
def test_failed_start_is_explained_and_reverted(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.sleep_or_wake(7, OperationVerb.SLEEP))
    missing = f"web={eph.site.registry}/acme/shop:never-pushed"
    eph.site.kubectl("set", "image", "deployment/web", missing, "-n", shop.name)
    result = eph.sleep_or_wake(7, OperationVerb.WAKE)
    assert result.outcome is Outcome.FAILED
    assert "service web" in result.error
    assert "can't pull" in result.error
    assert replica_counts(eph, shop)["web"] == 0
    assert route(eph, shop)["asleep"]
    tag = eph.record(7).tag
    assert tag is not None
    assert (bool(tag.asleep), tag.half) == (True, False)
    eph.assert_succeeded(eph.down(7))
    assert TARGET.list_remaining(eph.settings) == []
