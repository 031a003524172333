"""Waits for what Pulumi applied. Raises with the reason if it can't become ready.

The cluster reports when the workload changes, so a workload that became ready is noticed at once. What keeps it from
becoming ready changes only its pods and events, which are read every half second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from programs import steps
from programs.kit.waiting import pause
from programs.targets.kubernetes.api.cluster import ClusterClient, ObjectNotFound
from programs.targets.kubernetes.errors import ClusterUnreachable, KubernetesError
from programs.targets.kubernetes.observation import job_output, pod_info, rollout, running_images, wording
from programs.targets.kubernetes.observation.job_output import JobOutput
from programs.targets.kubernetes.observation.rollout import RolloutStatus

POLL_SECONDS = 0.5
MIN_POLL_SECONDS = 0.02
"""Several changes within this time are one."""
UNREACHABLE_TIMEOUT = 150.0
"""Seconds without a response after which the cluster counts as unreachable."""
JOB_KIND = "batch/v1/jobs"
WORKLOAD_KINDS = {
    "Deployment": "apps/v1/deployments",
    "StatefulSet": "apps/v1/statefulsets",
    "DaemonSet": "apps/v1/daemonsets",
    "Job": JOB_KIND,
}


@dataclass(frozen=True, slots=True)
class AwaitedWorkload:
    """What to wait for, and its title for people. ``images``: the reference that each container was applied with."""

    namespace: str
    kind: str
    name: str
    title: str
    timeout: float
    images: Mapping[str, str] = field(default_factory=dict)


def wait_until_ready(cluster: ClusterClient, workload: AwaitedWorkload) -> None:
    """Returns when it is ready. Raises with the reason and the last lines of its log if it isn't ready in time. Reports
    the output of a Job meanwhile."""
    with steps.step(*job_output.step_of(workload.title)) as output:
        shown = JobOutput(cluster, workload.namespace, output) if workload.kind == "Job" else None
        try:
            _wait(cluster, workload, shown)
        finally:
            if shown is not None:
                shown.read(workload.name)


def _wait(cluster: ClusterClient, workload: AwaitedWorkload, shown: JobOutput | None) -> None:
    deadline, silent_since = time.monotonic() + workload.timeout, 0.0
    verdict = RolloutStatus()
    while True:
        try:
            verdict, silent_since = check_status(cluster, workload), 0.0
        except ClusterUnreachable:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > UNREACHABLE_TIMEOUT:
                raise
        if verdict.ready:
            return
        if shown is not None:
            shown.follow(workload.name)
        if verdict.failure:
            raise KubernetesError(wording.failed(workload.title, verdict.failure), _tail(cluster, workload, verdict))
        if time.monotonic() > deadline:
            late = wording.not_ready(workload.title, workload.timeout, verdict.pending_reason or wording.NO_RESPONSE)
            raise KubernetesError(late, _tail(cluster, workload, verdict))
        _wait_for_change(cluster, workload, verdict.version)


def _wait_for_change(cluster: ClusterClient, workload: AwaitedWorkload, version: str) -> None:
    """Until the workload changes, or until it is time to read its pods and events."""
    began = time.monotonic()
    kind = WORKLOAD_KINDS[workload.kind]
    if version and cluster.wait_for_change(workload.namespace, kind, workload.name, version, POLL_SECONDS):
        pause(MIN_POLL_SECONDS)
    else:
        pause(max(MIN_POLL_SECONDS, began + POLL_SECONDS - time.monotonic()))


def check_status(cluster: ClusterClient, workload: AwaitedWorkload) -> RolloutStatus:
    """The current status."""
    try:
        data = cluster.get_namespaced(workload.namespace, WORKLOAD_KINDS[workload.kind], workload.name)
    except ObjectNotFound:
        return RolloutStatus(failure=wording.DELETED)
    data = {**data, "kind": workload.kind}
    selector = ",".join(f"{key}={value}" for key, value in data["spec"]["selector"]["matchLabels"].items())
    pods = cluster.list_namespaced(workload.namespace, "v1/pods", labelSelector=selector)
    events = cluster.list_namespaced(workload.namespace, "v1/events", limit=500)
    judge = rollout.job_status if workload.kind == "Job" else rollout.workload_status
    verdict = judge(data, pods, events)
    different = running_images.different_image(pods, workload.images) if verdict.ready else ""
    return RolloutStatus(failure=different) if different else replace(verdict, version=_version(data))


def _version(workload: Mapping[str, Any]) -> str:
    return str(workload["metadata"].get("resourceVersion", ""))


def _tail(cluster: ClusterClient, workload: AwaitedWorkload, verdict: RolloutStatus) -> list[str]:
    if not verdict.pod:
        return []
    where = workload.namespace, verdict.pod, verdict.container
    lines = cluster.read_log(*where, previous=verdict.previous) or cluster.read_log(
        *where, previous=not verdict.previous
    )
    try:
        hidden = pod_info.secret_values(cluster.list_namespaced(workload.namespace, "v1/secrets")) if lines else ()
    except KubernetesError:
        return []
    return [pod_info.mask_secrets(line, hidden) for line in lines]
