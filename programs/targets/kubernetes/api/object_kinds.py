"""The kinds of objects in an environment, their API paths, and how to detect that one was modified.

The cluster records who wrote which field of an object (managed fields). Eph's objects are written by Pulumi's plugin;
any other writer of a spec, such as kubectl or a controller, changed it behind our back. The number of replicas doesn't
count (sleep and autoscalers change it), nor do labels, annotations and the status.
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
"""Kinds that must exist unmodified. A finished Job can be deleted."""
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
"""Some clusters give the last two to every account."""
_SCALING_FIELDS = frozenset({"f:replicas"})


def object_path(kind: str, namespace: str, name: str) -> str:
    """The API path of one object."""
    head, _, plural = LISTED_KINDS[kind].rpartition("/")
    return f"{head}/{plural}/{name}" if kind == "Namespace" else f"{head}/namespaces/{namespace}/{plural}/{name}"


def collection_path(kind: str, namespace: str) -> str:
    """The API path of all objects of that kind."""
    return object_path(kind, namespace, "").rstrip("/")


def object_id(data: Data) -> str:
    """The ID that Pulumi's state uses."""
    about = data["metadata"]
    return f"{about['namespace']}/{about['name']}" if about.get("namespace") else str(about["name"])


def is_live(data: Data) -> bool:
    return not data["metadata"].get("deletionTimestamp")


def modified_by(data: Data) -> str:
    """Who else modified its spec; empty if it is unmodified."""
    for entry in data["metadata"].get("managedFields") or ():
        manager = str(entry.get("manager", ""))
        if entry.get("subresource") or manager.startswith((*_OUR_MANAGERS, *_CLUSTER_MANAGERS)):
            continue
        if _touches_content(entry.get("fieldsV1") or {}):
            return manager or "someone"
    return ""


def _touches_content(fields: Mapping[str, Any]) -> bool:
    for key in fields.keys() - _IGNORED_FIELDS:
        inner = fields[key]
        if key != "f:spec" or not isinstance(inner, Mapping) or inner.keys() - _SCALING_FIELDS:
            return True
    return False
