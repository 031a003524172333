"""Why a workload isn't ready, and what happened to its pods. Most sentences continue one that names the workload."""

from __future__ import annotations

from collections.abc import Mapping

EVENTS: Mapping[str, str] = {
    "Scheduled": "scheduled",
    "Pulling": "pulling the image",
    "Pulled": "image pulled",
    "Created": "container created",
    "Started": "container started",
    "Killing": "stopping",
    "Unhealthy": "health check failed",
    "BackOff": "waiting to retry after repeated failures",
    "Failed": "failed",
    "FailedScheduling": "no node can run it",
    "FailedCreate": "pods can't be created",
    "FailedMount": "a volume can't be mounted",
    "FailedCreatePodSandBox": "the pod's network or sandbox can't be created",
    "Evicted": "evicted from its node",
    "OOMKilling": "exceeded its memory limit",
    "NodeNotReady": "its node doesn't respond",
    "TaintManagerEviction": "evicted from a lost node",
    "ScalingReplicaSet": "scaling",
    "SuccessfulCreate": "pod created",
    "SuccessfulDelete": "pod deleted",
    "Completed": "completed",
}
"""Kubernetes' reason for an event, in words."""


def watch_denied(kind: str) -> str:
    return f"The cluster denied watching {kind}. Changes to them won't be detected."


# --- A workload

OLD_PODS_SERVE = "old pods are still serving"
NO_PODS_YET = "its pods don't exist yet"
NODE_LOST = "its node doesn't respond"
DELETED = "it was deleted outside of Eph"
NO_RESPONSE = "no response"


def failed(workload: str, problem: str) -> str:
    return f"{workload}: {problem}"


def not_ready(workload: str, seconds: float, reason: str) -> str:
    return f"{workload} wasn't ready within {seconds:.0f} s: {reason}"


def quota_exceeded(amounts: str) -> str:
    return f"the environment's quota is exceeded{amounts}; request less, or ask the operator for more"


def quota_amounts(requested: str, used: str, limit: str) -> str:
    return f": requested {requested}, used {used}, limit {limit}"


def violates_pod_security(problem: str) -> str:
    return f"its pods violate Pod Security: {problem}"


def pods_not_created(problem: str) -> str:
    return f"its pods can't be created: {problem}"


# --- A pod and its containers

NODE_IS_ADDED = "the cluster is adding a node for it"
NO_VOLUME_YET = "its volume doesn't exist yet"


def no_node(problem: str) -> str:
    return f"no node can run it: {problem}"


def image_not_pulled(image: str, problem: str) -> str:
    return f"can't pull the image {image}: {problem}"


CREDENTIALS_UNREAD = "its node hasn't read the registry credentials yet"


def container_not_started(problem: str) -> str:
    return f"its container can't start: {problem}"


def keeps_crashing(times: int, problem: str) -> str:
    return f"its process keeps crashing ({times} times): {problem}"


OUT_OF_MEMORY = "it exceeded its memory limit"


def killed_by(number: object) -> str:
    return f"killed by signal {number}"


def exit_status(code: object) -> str:
    return f"exit status {code}"


def container_waits(reason: str) -> str:
    return f"its container is waiting: {reason}"


def nothing_listens(port: str) -> str:
    return f"nothing listens on port {port}"


def health_check_fails(problem: str) -> str:
    return f"its health check fails: {problem}"


NOT_HEALTHY_YET = "its health check hasn't succeeded yet"


def other_image_runs(container: str, image: str, running: str, found: str) -> str:
    return (
        f"container {container} runs {image} ({running}), but {found} was found for this commit; something in the "
        "cluster replaced the image, such as an admission webhook"
    )


NO_DIGEST = "no digest"
