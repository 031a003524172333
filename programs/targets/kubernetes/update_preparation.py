"""Removes what would keep Pulumi from creating what it should, before it looks.

- A namespace that is being deleted accepts nothing new. We wait for it, and fail if it doesn't go away.
- An object that someone else modified is deleted, so that it is recreated as declared: Pulumi alone would fail on
  conflicting fields, or leave additions. Its dependents (pods) stay for its replacement.
- A database whose server is gone is recreated: the Jobs that seeded the last one are deleted, and run again.
- A failed Job is deleted, so that the next attempt runs it again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from programs.kit.waiting import pause
from programs.spec import DatabaseSpec, EnvironmentSpec
from programs.targets.kubernetes import namespace_deletion, wording
from programs.targets.kubernetes.api import object_kinds, object_names
from programs.targets.kubernetes.api.cluster import AccessDenied, ClusterClient, Data, ObjectNotFound
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import rollout
from programs.targets.kubernetes.observation.pod_info import JOB_NAME_LABEL

OBJECT_TIMEOUT = 30.0
POLL_SECONDS = 0.2
_REPLACEABLE_KINDS = frozenset(object_kinds.WATCHED_KINDS) - {"Namespace", "PersistentVolumeClaim"}
"""A claim holds data: it is never deleted for having been modified."""


def prepare(cluster: ClusterClient, spec: EnvironmentSpec, databases: Sequence[DatabaseSpec]) -> bool:
    """Whether anything was removed. ``databases``: those with their own server in the namespace. Usually there is
    nothing to do, which costs one request, or one per kind once the environment exists."""
    space = object_names.namespace(spec.name)
    try:
        data = cluster.get(f"/api/v1/namespaces/{space}")
    except ObjectNotFound:
        return False
    if not object_kinds.is_live(data):
        namespace_deletion.wait(cluster, spec.name)
        return True
    removed = [
        path for path, orphan in _objects_to_replace(cluster, databases, space) if _remove(cluster, path, orphan)
    ]
    for path in removed:
        _wait_until_deleted(cluster, path)
    return bool(removed)


def _objects_to_replace(
    cluster: ClusterClient, databases: Sequence[DatabaseSpec], namespace: str
) -> Iterator[tuple[str, bool]]:
    """Paths, and whether their dependents stay."""
    found = {kind: _list_kind(cluster, kind, namespace) for kind in _REPLACEABLE_KINDS}
    for kind in _REPLACEABLE_KINDS:
        for item in found[kind]:
            if item["metadata"].get("labels", {}).get(object_names.ENVIRONMENT) and object_kinds.modified_by(item):
                yield object_kinds.object_path(kind, namespace, item["metadata"]["name"]), True
    servers = {item["metadata"]["name"] for item in found["StatefulSet"]}
    lost = [re.escape(item.name[:24]) for item in databases if object_names.database(item) not in servers]
    filled = re.compile(rf"eph-(seed|run-seed|run-migrate)-({'|'.join(lost)}).*")
    for item, pods in _jobs(cluster, namespace):
        name = item["metadata"]["name"]
        if rollout.has_failed(item, pods) or (lost and filled.fullmatch(name)):
            yield object_kinds.object_path("Job", namespace, name), False


def _jobs(cluster: ClusterClient, namespace: str) -> list[tuple[Data, list[Data]]]:
    """The environment's Jobs, each with its pods, except those started by a CronJob."""
    pods: dict[str, list[Data]] = {}
    try:
        found = cluster.list_items(
            object_kinds.collection_path("Job", namespace), labelSelector=object_names.ENVIRONMENT
        )
        if found:
            for pod in cluster.list_namespaced(namespace, "v1/pods", labelSelector=JOB_NAME_LABEL):
                pods.setdefault(pod["metadata"]["labels"][JOB_NAME_LABEL], []).append(pod)
    except AccessDenied:
        return []
    jobs = [item for item in found if not item["metadata"].get("ownerReferences")]
    return [(item, pods.get(item["metadata"]["name"], [])) for item in jobs]


def _list_kind(cluster: ClusterClient, kind: str, namespace: str) -> list[Data]:
    try:
        return list(cluster.list_metadata(object_kinds.collection_path(kind, namespace)))
    except AccessDenied:
        return []


def _remove(cluster: ClusterClient, path: str, orphan: bool) -> bool:
    try:
        cluster.delete(path, orphan_dependents=orphan)
    except ObjectNotFound:
        return False
    return True


def _wait_until_deleted(cluster: ClusterClient, path: str) -> None:
    deadline = time.monotonic() + OBJECT_TIMEOUT
    while time.monotonic() < deadline:
        try:
            cluster.get(path)
        except ObjectNotFound:
            return
        pause(POLL_SECONDS)
    raise KubernetesError(wording.object_deletion_late(path, OBJECT_TIMEOUT))
