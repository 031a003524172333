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

LOOKED_AT: Mapping[str, str] = {
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
HELD: Mapping[str, str] = {
    **LOOKED_AT,
    "Job": "/apis/batch/v1/jobs",
    "Pod": "/api/v1/pods",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/horizontalpodautoscalers",
    "PodDisruptionBudget": "/apis/policy/v1/poddisruptionbudgets",
}
_OURS = ("pulumi", "eph")
_CLUSTER = ("kube-", "kubelet")
_ABOUT = frozenset({"f:metadata", "f:status", "f:apiVersion", "f:kind", "f:secrets", "f:imagePullSecrets"})
"""The last two are what some clusters give to every account."""
_COUNTED = frozenset({"f:replicas"})


def path_of(kind: str, namespace: str, name: str) -> str:
    """The address of one object."""
    head, _, plural = HELD[kind].rpartition("/")
    return f"{head}/{plural}/{name}" if kind == "Namespace" else f"{head}/namespaces/{namespace}/{plural}/{name}"


def in_namespace(kind: str, namespace: str) -> str:
    """The address of all of that kind in it."""
    return path_of(kind, namespace, "").rstrip("/")


def id_of(data: Data) -> str:
    """As Pulumi's state has it."""
    about = data["metadata"]
    return f"{about['namespace']}/{about['name']}" if about.get("namespace") else str(about["name"])


def stands(data: Data) -> bool:
    return not data["metadata"].get("deletionTimestamp")


def changed_by(data: Data) -> str:
    """Who else wrote what it is for; empty: it is as it was made."""
    for entry in data["metadata"].get("managedFields") or ():
        who = str(entry.get("manager", ""))
        if entry.get("subresource") or who.startswith((*_OURS, *_CLUSTER)):
            continue
        if _content(entry.get("fieldsV1") or {}):
            return who or "somebody"
    return ""


def _content(fields: Mapping[str, Any]) -> bool:
    for key in fields.keys() - _ABOUT:
        inner = fields[key]
        if key != "f:spec" or not isinstance(inner, Mapping) or inner.keys() - _COUNTED:
            return True
    return False
