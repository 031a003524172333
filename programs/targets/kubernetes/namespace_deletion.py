"""Deletes the namespace of an environment, and reports what blocks the deletion.

Pods choose how long they may take to stop, and the cluster waits for them. So Eph deletes them first, with a short
grace period, and again while the namespace is being deleted: a controller may have created new ones, and Pulumi deletes
the namespace without looking at its pods.
"""

from __future__ import annotations

import contextlib
import time

from programs.kit.waiting import pause
from programs.targets.kubernetes import wording
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.api.cluster import AccessDenied, ClusterClient, Data, ObjectNotFound
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import rollout

NAMESPACE_TIMEOUT = 120.0
GRACE_SECONDS = 5
POLL_SECONDS = 0.2
PODS_POLL_SECONDS = 2.0
FRONT_KINDS = (("networking.k8s.io/v1", "ingresses"), ("gateway.networking.k8s.io/v1", "httproutes"))


def delete(cluster: ClusterClient, name: str, timeout: float = NAMESPACE_TIMEOUT) -> None:
    _stop_pods(cluster, object_names.namespace(name))
    with contextlib.suppress(ObjectNotFound):
        cluster.delete(_path(name))
    wait(cluster, name, timeout)


def delete_fronts(cluster: ClusterClient, namespace: str) -> None:
    """Deletes what leads people to an environment. The destroy would do the same later, so it also succeeds if this
    isn't allowed."""
    for group, plural in FRONT_KINDS:
        with contextlib.suppress(AccessDenied, ObjectNotFound):
            for item in cluster.list_namespaced(namespace, f"{group}/{plural}"):
                path = f"/apis/{group}/namespaces/{namespace}/{plural}/{item['metadata']['name']}"
                with contextlib.suppress(ObjectNotFound):
                    cluster.delete(path)


def wait(cluster: ClusterClient, name: str, timeout: float = NAMESPACE_TIMEOUT) -> None:
    """Waits for a namespace that is being deleted. Raises with what blocks it and what an operator can do."""
    deadline = time.monotonic() + timeout
    next_look = 0.0
    while True:
        try:
            data = cluster.get(_path(name))
        except ObjectNotFound:
            return
        now = time.monotonic()
        if now > deadline:
            raise _late(cluster, name, data, timeout)
        if now >= next_look:
            _stop_pods(cluster, object_names.namespace(name))
            next_look = now + PODS_POLL_SECONDS
        pause(POLL_SECONDS)


def _stop_pods(cluster: ClusterClient, namespace: str) -> None:
    """Best effort: our access to the namespace is deleted with it."""
    with contextlib.suppress(AccessDenied, ObjectNotFound):
        for pod in cluster.list_namespaced(namespace, "v1/pods"):
            about = pod["metadata"]
            if about.get("deletionGracePeriodSeconds", GRACE_SECONDS + 1) > GRACE_SECONDS:
                with contextlib.suppress(ObjectNotFound):
                    cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{about['name']}", grace_seconds=GRACE_SECONDS)


def _path(name: str) -> str:
    return f"/api/v1/namespaces/{object_names.namespace(name)}"


def _late(cluster: ClusterClient, name: str, data: Data, timeout: float) -> KubernetesError:
    if nodes := rollout.lost_nodes(cluster.list_namespaced(name, "v1/pods")):
        return KubernetesError(wording.nodes_lost(name, timeout, nodes))
    return KubernetesError(wording.deletion_late(name, timeout, deletion_blockers(data)))


def deletion_blockers(namespace: Data) -> str:
    """What the cluster reports as blocking the deletion: finalizers that nobody removes, an API that doesn't
    respond."""
    found = namespace.get("status", {}).get("conditions") or []
    messages = [str(item.get("message", "")) for item in found if item.get("status") == "True"]
    relevant = [text for text in messages if "finalizer" in text] or [text for text in messages if text]
    return "; ".join(relevant)[:140]  # what an operator can do comes after it, and the sentence may be cut
