"""Restarts services as ``kubectl rollout restart`` does: an annotation of the pod template changes, so the cluster
replaces the pods by the rules of their update strategy.

Our own field manager writes the annotation, so an update by Pulumi keeps it and it doesn't count as drift. Databases
keep running unless one is requested by name; one without a volume is never restarted, because its data is in its pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from programs import restarts
from programs.restarts import RestartUnavailable
from programs.targets.kubernetes import wording
from programs.targets.kubernetes.api import object_kinds, object_names
from programs.targets.kubernetes.api.cluster import ClusterClient, ObjectNotFound

Data = dict[str, Any]
FIELD_MANAGER = "eph-restart"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_KINDS = {"Deployment": "apps/v1/deployments", "StatefulSet": "apps/v1/statefulsets"}


def restart(cluster: ClusterClient, namespace: str, service: str) -> list[str]:
    workloads = list(_workloads(cluster, namespace))
    if not service:  # databases aren't services
        workloads = [(kind, data) for kind, data in workloads if kind == "Deployment"]
    services = restarts.select((_service_of(data) for _, data in workloads), service, namespace)
    wanted = [(kind, data) for kind, data in workloads if _service_of(data) in services]
    for kind, data in wanted:
        if kind == "StatefulSet" and not data["spec"].get("volumeClaimTemplates"):
            raise RestartUnavailable(wording.restart_deletes_data(_service_of(data)))
    for kind, data in wanted:
        _set_annotation(cluster, namespace, kind, data)
    return services


def _workloads(cluster: ClusterClient, namespace: str) -> Iterator[tuple[str, Data]]:
    for kind, path in _KINDS.items():
        for data in cluster.list_namespaced(namespace, path):
            yield kind, data


def _service_of(data: Data) -> str:
    labels: Mapping[str, Any] = data["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
    return str(labels.get(object_names.SERVICE) or data["metadata"]["name"])


def _set_annotation(cluster: ClusterClient, namespace: str, kind: str, data: Data) -> None:
    """Does nothing if the workload was deleted meanwhile."""
    about = data["metadata"]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": about["name"], "uid": about["uid"]},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}},
    }
    try:
        cluster.apply(object_kinds.object_path(kind, namespace, about["name"]), body, FIELD_MANAGER)
    except ObjectNotFound:
        return
