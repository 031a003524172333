"""Waits for what Pulumi applied by looking every half second, and ends with the reason when it waits in vain."""

from __future__ import annotations

import time
from dataclasses import dataclass

from programs.kubernetes import inside, watching
from programs.kubernetes.cluster import Cluster, Missing
from programs.kubernetes.errors import KubernetesError, Unreachable
from programs.kubernetes.watching import Verdict
from programs.local.waiting import pause

EVERY = 0.5
PATIENCE = 150.0
"""Seconds for which a cluster may not answer before that is what went wrong."""
JOB = "batch/v1/jobs"
KINDS = {
    "Deployment": "apps/v1/deployments",
    "StatefulSet": "apps/v1/statefulsets",
    "DaemonSet": "apps/v1/daemonsets",
    "Job": JOB,
}


@dataclass(frozen=True, slots=True)
class Awaited:
    """What to wait for, and how people call it."""

    namespace: str
    kind: str
    name: str
    title: str
    seconds: float


def until_ready(cluster: Cluster, awaited: Awaited) -> None:
    """Returns when it is ready; raises with the reason and the last lines of its log when it is not in time."""
    deadline, silent_since = time.monotonic() + awaited.seconds, 0.0
    verdict = Verdict()
    while True:
        try:
            verdict, silent_since = look(cluster, awaited), 0.0
        except Unreachable:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > PATIENCE:
                raise
        if verdict.ready:
            return
        if verdict.trouble:
            raise KubernetesError(f"{awaited.title}: {verdict.trouble}", _tail(cluster, awaited, verdict))
        if time.monotonic() > deadline:
            late = f"{awaited.title} was not ready within {awaited.seconds:.0f} s: {verdict.doubt or 'no answer'}"
            raise KubernetesError(late, _tail(cluster, awaited, verdict))
        pause(EVERY)


def look(cluster: Cluster, awaited: Awaited) -> Verdict:
    """The verdict as of now."""
    try:
        data = cluster.one(awaited.namespace, KINDS[awaited.kind], awaited.name)
    except Missing:
        return Verdict(trouble="it is gone; somebody removed it")
    data = {**data, "kind": awaited.kind}
    selector = ",".join(f"{key}={value}" for key, value in data["spec"]["selector"]["matchLabels"].items())
    pods = cluster.namespaced(awaited.namespace, "v1/pods", labelSelector=selector)
    events = cluster.namespaced(awaited.namespace, "v1/events", limit=500)
    judge = watching.job if awaited.kind == "Job" else watching.workload
    return judge(data, pods, events)


def _tail(cluster: Cluster, awaited: Awaited, verdict: Verdict) -> list[str]:
    if not verdict.pod:
        return []
    where = awaited.namespace, verdict.pod, verdict.container
    lines = cluster.log(*where, previous=verdict.previous) or cluster.log(*where, previous=not verdict.previous)
    try:
        hidden = inside.secrets(cluster.namespaced(awaited.namespace, "v1/secrets")) if lines else ()
    except KubernetesError:
        return []
    return [inside.hide(line, hidden) for line in lines]
