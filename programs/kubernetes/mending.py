"""What an operation clears away before Pulumi looks: what would keep it from making anew what it should.

- A namespace that is being removed takes nothing in. It is waited for, and when it does not go, that is the error.
- An object that somebody else changed is removed, so that it is made anew as the program has it: Pulumi alone would
  give up over the other's fields, or leave what was added. What it made stays (its pods), for the one that comes after.
- A database whose server is gone is begun anew: the Jobs that filled the last one are removed, and run again.
- A Job that failed is removed, so that the next try runs it again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from programs.kubernetes import kinds, names, watching
from programs.kubernetes.cluster import Cluster, Data, Forbidden, Missing
from programs.kubernetes.errors import KubernetesError
from programs.local.waiting import pause
from programs.spec import DatabaseSpec, EnvironmentSpec

GONE_SECONDS = 120.0
OBJECT_SECONDS = 30.0
EVERY = 0.2
_SAFE = frozenset(kinds.LOOKED_AT) - {"Namespace", "PersistentVolumeClaim"}
"""A claim holds data: it is never removed for having been changed."""


def clear(cluster: Cluster, spec: EnvironmentSpec, databases: Sequence[DatabaseSpec]) -> bool:
    """Whether anything was removed. ``databases``: those that have a server of their own in the namespace. Nothing to
    do, as nearly always, costs a request, or one for each kind once the environment exists."""
    space = names.namespace(spec.name)
    try:
        data = cluster.get(f"/api/v1/namespaces/{space}")
    except Missing:
        return False
    if not kinds.stands(data):
        gone(cluster, f"/api/v1/namespaces/{space}", spec.name)
        return True
    removed = [path for path, orphan in _unfit(cluster, databases, space) if _remove(cluster, path, orphan)]
    for path in removed:
        _await_gone(cluster, path)
    return bool(removed)


def _unfit(cluster: Cluster, databases: Sequence[DatabaseSpec], space: str) -> Iterator[tuple[str, bool]]:
    """Paths, and whether what they made stays."""
    found = {kind: _listed(cluster, kind, space) for kind in _SAFE}
    for kind in _SAFE:
        for item in found[kind]:
            if item["metadata"].get("labels", {}).get(names.ENVIRONMENT) and kinds.changed_by(item):
                yield kinds.path_of(kind, space, item["metadata"]["name"]), True
    servers = {item["metadata"]["name"] for item in found["StatefulSet"]}
    lost = [re.escape(item.name[:24]) for item in databases if names.database(item) not in servers]
    filled = re.compile(rf"eph-(seed|run-seed|run-migrate)-({'|'.join(lost)}).*")
    for item in _jobs(cluster, space):
        name = item["metadata"]["name"]
        if watching.has_failed(item) or (lost and filled.fullmatch(name)):
            yield kinds.path_of("Job", space, name), False


def _jobs(cluster: Cluster, space: str) -> list[Data]:
    """Those of the environment itself: what a CronJob starts is its own affair."""
    try:
        found = cluster.items(kinds.in_namespace("Job", space), labelSelector=names.ENVIRONMENT)
    except Forbidden:
        return []
    return [item for item in found if not item["metadata"].get("ownerReferences")]


def _listed(cluster: Cluster, kind: str, space: str) -> list[Data]:
    try:
        return list(cluster.about(kinds.in_namespace(kind, space)))
    except Forbidden:
        return []


def _remove(cluster: Cluster, path: str, orphan: bool) -> bool:
    try:
        cluster.delete(path, orphan=orphan)
    except Missing:
        return False
    return True


def _await_gone(cluster: Cluster, path: str) -> None:
    deadline = time.monotonic() + OBJECT_SECONDS
    while time.monotonic() < deadline:
        try:
            cluster.get(path)
        except Missing:
            return
        pause(EVERY)
    raise KubernetesError(f"{path} is still being removed after {OBJECT_SECONDS:.0f} s; it is tried again")


def gone(cluster: Cluster, path: str, name: str, seconds: float = GONE_SECONDS) -> None:
    """Waits for a namespace that is being removed; raises with what keeps it and what an operator can do."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            data = cluster.get(path)
        except Missing:
            return
        if time.monotonic() > deadline:
            break
        pause(EVERY)
    late = f"namespace {name} is still being removed after {seconds:.0f} s"
    if nodes := watching.lost_nodes(cluster.namespaced(name, "v1/pods")):
        raise KubernetesError(
            f"{late}: node {', '.join(nodes)} does not answer, and its pods end only there. "
            f"Eph tries on; if it never comes back: kubectl delete node {' '.join(nodes)}"
        )
    why = kept_by(data)
    raise KubernetesError(
        f"{late}{': ' + why if why else ''}. Eph tries on; an operator looks with: kubectl get namespace {name} -o yaml"
    )


def kept_by(namespace: Data) -> str:
    """What the cluster says keeps it: objects whose finalizers nobody takes away, an API that does not answer."""
    found = namespace.get("status", {}).get("conditions") or []
    said = [str(item.get("message", "")) for item in found if item.get("status") == "True"]
    told = [text for text in said if "finalizer" in text] or [text for text in said if text]
    return "; ".join(told)[:140]  # what an operator can do comes after it, and a sentence is cut
