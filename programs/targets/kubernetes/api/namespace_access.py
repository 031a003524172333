"""Grants the server access to an environment's namespace if its account has no permissions there yet.

A server for previews shouldn't be able to read and write the secrets of every namespace. So its account can create
namespaces with our mark, and bind one ClusterRole to itself in them; the permissions of that role apply there and
nowhere else (infra/helm). The binding comes before anything else is created or read: in a namespace that is gone or was
recreated behind our back, the cluster responds with 'forbidden' instead of 'not found', and nothing could be repaired.
The binding is deleted with the namespace.
"""

from __future__ import annotations

import time

from programs.targets.kubernetes.api import object_names, wording
from programs.targets.kubernetes.api.cluster import ClusterClient, Data, ObjectNotFound, connect
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.settings import KubernetesSettings

BINDING_NAME = f"{object_names.PREFIX}server"
RBAC = "rbac.authorization.k8s.io"
SECONDS = 30.0
POLL_SECONDS = 0.1
_REQUIRED_CONFIRMATIONS = 3
"""Consecutive successes: several API servers can share one address, and each learns about the binding separately."""


def ensure_access(name: str, settings: KubernetesSettings, timeout: float = SECONDS) -> None:
    """Makes sure that the namespace exists, is ours, and that we have access to it. Does nothing if the account has
    access anyway."""
    if not settings.role:
        return
    cluster, namespace = connect(settings), object_names.namespace(name)
    _ensure_namespace(cluster, namespace, settings)
    try:
        cluster.get(f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings/{BINDING_NAME}")
    except ObjectNotFound:
        cluster.create(f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings", role_binding(settings))
    _wait_until_allowed(cluster, namespace, settings, timeout)


def role_binding(settings: KubernetesSettings) -> Data:
    namespace, _, account = settings.account.partition("/")
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BINDING_NAME, "labels": ownership_labels(settings)},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": settings.role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def ownership_labels(settings: KubernetesSettings) -> dict[str, str]:
    return {object_names.MANAGED_BY: "eph", object_names.SERVER: object_names.label_value(settings.server)}


def _ensure_namespace(cluster: ClusterClient, namespace: str, settings: KubernetesSettings) -> None:
    """A namespace that has our name but not our labels belongs to someone else."""
    try:
        labels = cluster.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels") or {}
    except ObjectNotFound:
        cluster.create(
            "/api/v1/namespaces",
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": namespace, "labels": ownership_labels(settings)},
            },
        )
        return
    if ownership_labels(settings).items() - labels.items():
        raise KubernetesError(wording.namespace_is_not_ours(namespace))


def _wait_until_allowed(cluster: ClusterClient, namespace: str, settings: KubernetesSettings, timeout: float) -> None:
    deadline, agreed = time.monotonic() + timeout, 0
    attributes = {"namespace": namespace, "verb": "create", "resource": "secrets"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    while agreed < _REQUIRED_CONFIRMATIONS:
        response = cluster.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        agreed = agreed + 1 if response.get("status", {}).get("allowed") else 0
        if time.monotonic() > deadline:
            raise KubernetesError(
                wording.no_access_to_namespace(settings.account, namespace, BINDING_NAME, settings.role)
            )
        time.sleep(0 if agreed else POLL_SECONDS)
