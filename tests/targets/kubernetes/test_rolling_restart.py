"""Which workloads a restart changes, decided without a cluster. Rows: P5, T2."""

from __future__ import annotations

from typing import Any

import pytest

from programs.restarts import RestartUnavailable
from programs.targets.kubernetes import rolling_restart
from programs.targets.kubernetes.api import object_names

Data = dict[str, Any]


def workload(kind: str, name: str, service: str = "", **spec: Any) -> Data:
    labels = {object_names.SERVICE: service} if service else {}
    template = {"metadata": {"labels": labels}}
    return {"kind": kind, "metadata": {"name": name, "uid": f"id of {name}"}, "spec": {"template": template, **spec}}


class FakeCluster:
    """Lists what it was given, and records what is applied."""

    def __init__(self, *found: Data) -> None:
        self.found = found
        self.applied: list[str] = []

    def list_namespaced(self, _: str, kind: str) -> list[Data]:
        return [data for data in self.found if f"{data['kind'].lower()}s" == kind.rpartition("/")[2]]

    def apply(self, path: str, body: Data, manager: str) -> None:
        assert manager == "eph-restart"
        assert body["metadata"]["uid"]
        assert list(body["spec"]["template"]["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]
        self.applied.append(path.rpartition("/")[2])


def shop() -> Any:
    return FakeCluster(
        workload("Deployment", "web", "web"),
        workload("Deployment", "renamed", "api"),
        workload("StatefulSet", "kept", volumeClaimTemplates=[{}]),
        workload("StatefulSet", "scratch"),
    )


def test_all_services_restart_and_databases_keep_running() -> None:
    cluster = shop()
    assert rolling_restart.restart(cluster, "shop-42", "") == ["api", "web"]
    assert cluster.applied == ["web", "renamed"]


def test_one_workload_restarts_by_name() -> None:
    cluster = shop()
    assert rolling_restart.restart(cluster, "shop-42", "api") == ["api"]
    assert rolling_restart.restart(cluster, "shop-42", "kept") == ["kept"]
    assert cluster.applied == ["renamed", "kept"]


def test_a_workload_whose_data_is_in_its_pod_and_unknown_ones_are_refused() -> None:
    cluster = shop()
    for service in ("scratch", "nothing"):
        with pytest.raises(RestartUnavailable):
            rolling_restart.restart(cluster, "shop-42", service)
    with pytest.raises(RestartUnavailable):
        rolling_restart.restart(FakeCluster(), "shop-42", "")  # type: ignore[arg-type]  # two of its methods
    assert cluster.applied == []
