"""What of a namespace sleeps and in which order it wakes, decided without a cluster (L5, T2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from programs.targets.kubernetes import scale_to_zero
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.settings import KubernetesSettings

Data = dict[str, Any]


def workload(kind: str, name: str, notes: dict[str, str] | None = None, **spec: Any) -> Data:
    return {"kind": kind, "metadata": {"name": name, "annotations": notes or {}}, "spec": spec}


def test_number_of_replicas_becomes_an_annotation() -> None:
    found = scale_to_zero.without_replicas(workload("Deployment", "web", {"a": "b"}, replicas=3, selector={}))
    assert found["metadata"]["annotations"] == {"a": "b", object_names.REPLICAS: "3"}
    assert found["spec"] == {"selector": {}}
    untouched = workload("Deployment", "web", selector={})
    assert scale_to_zero.without_replicas(untouched) is untouched
    service = workload("Service", "web", replicas=3)
    assert scale_to_zero.without_replicas(service) is service


def test_autoscaled_workload_keeps_no_replicas() -> None:
    scaler = workload("HorizontalPodAutoscaler", "web", scaleTargetRef={"kind": "Deployment", "name": "web"})
    scaled = scale_to_zero.autoscaled([scaler, workload("Deployment", "web")])
    found = scale_to_zero.without_replicas(workload("Deployment", "web", replicas=3), scaled)
    assert (found["spec"], found["metadata"]["annotations"]) == ({}, {})


class FakeCluster:
    """Lists what it was given, and records what is applied."""

    def __init__(self, *found: Data) -> None:
        self.found = found
        self.applied: list[tuple[str, Data]] = []

    def list_namespaced(self, _: str, kind: str, **__: object) -> list[Data]:
        plural = kind.rpartition("/")[2]
        return [data for data in self.found if f"{data['kind'].lower()}s" == plural]

    def apply(self, path: str, body: Data, manager: str) -> None:
        assert manager == "eph-sleep"
        assert body["metadata"]["uid"]
        self.applied.append((path.rpartition("/")[2], body.get("spec", {})))


def cluster_with(*found: Data) -> Any:
    for data in found:
        data["metadata"]["uid"] = f"id of {data['metadata']['name']}"
    return FakeCluster(*found)


SETTINGS = KubernetesSettings(root=Path("/nowhere"), server="eph")
"""A server without a gateway folder."""


def test_workloads_that_would_lose_data_or_opt_out_stay_awake() -> None:
    made = cluster_with(
        workload("Deployment", "web", replicas=1),
        workload("Deployment", "cache", {object_names.SLEEP_POLICY: "false"}, replicas=1),
        workload("StatefulSet", "scratch", replicas=1),
        workload("StatefulSet", "kept", replicas=1, volumeClaimTemplates=[{}]),
        workload("CronJob", "nightly"),
    )
    scale_to_zero.sleep(made, SETTINGS, "shop", "shop")
    assert made.applied == [("nightly", {"suspend": True}), ("web", {"replicas": 0}), ("kept", {"replicas": 0})]


def test_wakes_from_the_database_outwards_to_the_previous_replicas() -> None:
    made = cluster_with(
        workload("Deployment", "web", {object_names.AFTER: "api", object_names.REPLICAS: "2"}, replicas=0),
        workload("Deployment", "api", replicas=0),
        workload("Deployment", "runs", replicas=1),
        workload("StatefulSet", "kept", replicas=0, volumeClaimTemplates=[{}]),
        workload("CronJob", "nightly"),
    )
    scale_to_zero.wake(made, SETTINGS, "shop", "shop", wait=False)
    ones = {"replicas": 1}
    assert made.applied == [("kept", ones), ("api", ones), ("web", {"replicas": 2}), ("nightly", {})]


def test_services_in_a_cycle_wake_anyway() -> None:
    made = cluster_with(
        workload("Deployment", "a", {object_names.AFTER: "b"}, replicas=0),
        workload("Deployment", "b", {object_names.AFTER: "a,gone"}, replicas=0),
    )
    scale_to_zero.wake(made, SETTINGS, "shop", "shop", wait=False)
    assert [name for name, _ in made.applied] == ["a", "b"]


def test_only_what_sleeps_is_created_without_pods() -> None:
    """M4."""
    web = workload("Deployment", "web", selector={})
    assert scale_to_zero.stopped(web)["spec"] == {"selector": {}, "replicas": 0}
    kept = workload("StatefulSet", "kept", volumeClaimTemplates=[{}])
    assert scale_to_zero.stopped(kept)["spec"]["replicas"] == 0
    for other in (
        workload("StatefulSet", "scratch"),
        workload("Deployment", "cache", {object_names.SLEEP_POLICY: "false"}),
        workload("Service", "web"),
    ):
        assert scale_to_zero.stopped(other) is other


def test_before_an_update_that_starts_nothing_services_stop_and_databases_do_not() -> None:
    made = cluster_with(
        workload("Deployment", "web", replicas=2),
        workload("Deployment", "still", replicas=0),
        workload("StatefulSet", f"{object_names.PREFIX}db-main-1", replicas=1, volumeClaimTemplates=[{}]),
    )
    scale_to_zero.stop_workloads(made, "shop")
    assert made.applied == [("web", {"replicas": 0})]
