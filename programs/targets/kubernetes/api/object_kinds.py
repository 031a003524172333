"""The kinds of objects that an environment consists of, how the cluster calls them, and which of them are no longer as
they were made.

Who wrote which field of an object is kept by the cluster itself (managed fields). Eph's objects are written by Pulumi's
plugin; whoever else wrote what an object is for, by kubectl or a controller, changed it behind our back. How many pods
there are is not part of that (sleep and autoscalers change it), nor are labels, annotations and the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Data = Mapping[str, Any]

WATCHED_KINDS: Mapping[str, str] = {
    "Namespace": "/api/v1/namespaces",
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Service": "/api/v1/services",
    "Ingress": "/apis/networking.k8s.io/v1/ingresses",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/networkpolicies",
    "ResourceQuota": "/api/v1/resourcequotas",
    "LimitRange": "/api/v1/limitranges",
    "ServiceAccount": "/api/v1/serviceaccounts",
    "ConfigMap": "/api/v1/configmaps",
    "Secret": "/api/v1/secrets",
    "PersistentVolumeClaim": "/api/v1/persistentvolumeclaims",
}
"""What must stand as it was made. A Job that is done may go."""
LISTED_KINDS: Mapping[str, str] = {
    **WATCHED_KINDS,
    "Job": "/apis/batch/v1/jobs",
    "Pod": "/api/v1/pods",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/horizontalpodautoscalers",
    "PodDisruptionBudget": "/apis/policy/v1/poddisruptionbudgets",
}
_OUR_MANAGERS = ("pulumi", "eph")
_CLUSTER_MANAGERS = ("kube-", "kubelet")
_IGNORED_FIELDS = frozenset({"f:metadata", "f:status", "f:apiVersion", "f:kind", "f:secrets", "f:imagePullSecrets"})
"""The last two are what some clusters give to every account."""
_SCALING_FIELDS = frozenset({"f:replicas"})


def object_path(kind: str, namespace: str, name: str) -> str:
    """The address of one object."""
    head, _, plural = LISTED_KINDS[kind].rpartition("/")
    return f"{head}/{plural}/{name}" if kind == "Namespace" else f"{head}/namespaces/{namespace}/{plural}/{name}"


def collection_path(kind: str, namespace: str) -> str:
    """The address of all of that kind in it."""
    return object_path(kind, namespace, "").rstrip("/")


def object_id(data: Data) -> str:
    """As Pulumi's state has it."""
    about = data["metadata"]
    return f"{about['namespace']}/{about['name']}" if about.get("namespace") else str(about["name"])


def is_live(data: Data) -> bool:
    return not data["metadata"].get("deletionTimestamp")


def modified_by(data: Data) -> str:
    """Who else wrote what it is for; empty: it is as it was made."""
    for entry in data["metadata"].get("managedFields") or ():
        who = str(entry.get("manager", ""))
        if entry.get("subresource") or who.startswith((*_OUR_MANAGERS, *_CLUSTER_MANAGERS)):
            continue
        if _touches_content(entry.get("fieldsV1") or {}):
            return who or "somebody"
    return ""


def _touches_content(fields: Mapping[str, Any]) -> bool:
    for key in fields.keys() - _IGNORED_FIELDS:
        inner = fields[key]
        if key != "f:spec" or not isinstance(inner, Mapping) or inner.keys() - _SCALING_FIELDS:
            return True
    return False
