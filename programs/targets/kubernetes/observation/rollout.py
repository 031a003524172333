"""Whether a workload became ready, or why it can't: pure functions of what the cluster reports.

Kubernetes retries forever and reports reasons in a dozen places. They are read here in the order in which they help: a
controller that can't create pods (quota, Pod Security), a scheduler that finds no node, an image that can't be pulled,
a process that exits, and finally a failing health check. The first three and a crash loop are final at once; a health
check may still succeed until its deadline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from programs.targets.kubernetes.observation import wording

Data = Mapping[str, Any]
_IMAGE_ERRORS = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_PERMANENT_PULL_ERROR = re.compile(
    r"not found|manifest unknown|denied|unauthorized|authentication required|no basic auth", re.I
)
_CONTAINER_ERRORS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
_REFUSED = re.compile(r":(\d+): connect: connection refused")
_SLOW_CACHE = re.compile(r"failed to sync (?:secret|configmap) cache: timed out")
"""The kubelet of a busy node tries again by itself."""
_CREDENTIALS_UNREAD = "FailedToRetrieveImagePullSecret"
_CLAIM_PENDING = re.compile(r"unbound immediate PersistentVolumeClaims|persistentvolumeclaim \S+ not found", re.I)
"""Each new StatefulSet's pod waits a moment for its volume. A claim that stays so ends with the deadline."""
_SCALE_UP_REASONS = ("TriggeredScaleUp", "Nominated")
_MAX_LENGTH = 240
_MAX_PULL_ERROR = 140
"""Its sentence also contains the image, and an operation's error has at most 300 characters, of which it keeps the
start."""


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """``failure``: why it won't become ready. ``pending_reason``: why it isn't ready yet. ``pod`` and ``container``:
    whose log tells more; ``previous``: use the log of the previous process. ``version``: of the workload that was
    read."""

    ready: bool = False
    failure: str = ""
    pending_reason: str = ""
    pod: str = ""
    container: str = ""
    previous: bool = False
    version: str = ""


def workload_status(data: Data, pods: Sequence[Data], events: Iterable[Data]) -> RolloutStatus:
    """The status of a Deployment, StatefulSet or DaemonSet. ``pods`` are its own. It is ready once only new pods
    serve."""
    newest = _newest_pods(data, pods)
    if _rolled_out(data):
        going = [pod for pod in pods if pod not in newest]
        return RolloutStatus(pending_reason=wording.OLD_PODS_SERVE) if going else RolloutStatus(ready=True)
    not_yet = RolloutStatus(pending_reason=wording.NO_PODS_YET)
    if not _is_observed(data):  # the conditions are about the previous template
        return not_yet
    refused = _creation_failure(data, pods, events)
    if refused:
        return RolloutStatus(failure=refused)
    return (_worst_status(newest, events) if _has_updated_pods(data) else None) or not_yet


def pod_state(pod: Data, events: Iterable[Data]) -> tuple[str, str]:
    """The state of one pod and the reason, as in ``programs.runtime_info.ProcessInfo``."""
    phase = pod.get("status", {}).get("phase", "")
    if pod["metadata"].get("deletionTimestamp"):
        return "ending", "terminating"
    if phase == "Succeeded":
        return "ended", ""
    verdict = _pod_status(pod, list(events), False)
    if phase == "Failed":
        return "failing", verdict.failure or _failure_reason(pod)
    if verdict.failure:
        return "failing", verdict.failure
    if not verdict.pending_reason:
        return ("running", "") if phase == "Running" else ("starting", "")
    return "unknown" if verdict.pending_reason == wording.NODE_LOST else "starting", verdict.pending_reason


def lost_nodes(pods: Iterable[Data]) -> list[str]:
    """Nodes of these pods that don't respond."""
    return sorted({pod["spec"]["nodeName"] for pod in pods if _is_lost(pod)})


def _is_lost(pod: Data) -> bool:
    """A kubelet reports the readiness of a pod and of its containers, and reports the same for both. If they differ,
    the node controller marked the pod because the kubelet stopped responding."""
    statuses = {condition["type"]: condition.get("status") for condition in _conditions(pod)}
    gated = pod.get("spec", {}).get("readinessGates")
    return statuses.get("Ready") == "False" and statuses.get("ContainersReady") == "True" and not gated


def _failure_reason(pod: Data) -> str:
    for status in _statuses(pod):
        ended = status.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            return _exit_reason(ended)
    return shorten(str(pod["status"].get("message") or pod["status"].get("reason") or "failed"))


def job_status(data: Data, pods: Sequence[Data], events: Iterable[Data]) -> RolloutStatus:
    if _condition(data, "Complete"):
        return RolloutStatus(ready=True)
    if failed := _condition(data, "Failed"):
        return _job_failure(failed, pods)
    ended = _finished_try(pods) if _tries_once(data) else None
    if ended:
        return ended
    refused = _creation_failure(data, pods, events)
    if refused:
        return RolloutStatus(failure=refused)
    return _worst_status(pods, events, is_job=True) or RolloutStatus(pending_reason="still running")


def has_failed(data: Data, pods: Sequence[Data]) -> bool:
    """Whether a Job won't be retried. Its pods show this before the Job does, and a retry can come in between."""
    if _condition(data, "Complete"):
        return False
    finished = _finished_try(pods) if _tries_once(data) else None
    return bool(_condition(data, "Failed") or (finished and finished.failure))


def _tries_once(data: Data) -> bool:
    spec = data.get("spec", {})
    return (spec.get("backoffLimit"), spec.get("completions", 1), spec.get("parallelism", 1)) == (0, 1, 1)


def _finished_try(pods: Iterable[Data]) -> RolloutStatus | None:
    """How a Job's only attempt ended, from its pod; the Job itself reports it two seconds later."""
    for pod in pods:
        states = [status.get("state", {}).get("terminated") for status in _statuses(pod)]
        if states and all(states) and not pod["metadata"].get("deletionTimestamp"):
            return _failed_try([pod]) or RolloutStatus(ready=True)
    return None


def _failed_try(pods: Iterable[Data]) -> RolloutStatus | None:
    for pod in pods:
        for status in _statuses(pod):
            ended = status.get("state", {}).get("terminated")
            if ended and ended.get("exitCode"):
                return RolloutStatus(failure=f"failed: {_exit_reason(ended)}", pod=_name(pod), container=status["name"])
    return None


def _job_failure(condition: Data, pods: Iterable[Data]) -> RolloutStatus:
    late = condition.get("reason") == "DeadlineExceeded"
    words = "timed out" if late else shorten(condition.get("message", "failed"))
    return _failed_try(pods) or RolloutStatus(failure=words)


def _is_observed(data: Data) -> bool:
    """Whether the controller has seen the template that was applied last."""
    generation: int = data["metadata"].get("generation", 0)
    return bool(data.get("status", {}).get("observedGeneration", 0) >= generation)


def _has_updated_pods(data: Data) -> bool:
    """Whether there are pods of the newest template. Until then the newest pods belong to an earlier attempt, and their
    problems aren't relevant."""
    return data["kind"] != "Deployment" or bool(data.get("status", {}).get("updatedReplicas"))


def _rolled_out(data: Data) -> bool:
    spec, status = data.get("spec", {}), data.get("status", {})
    if not _is_observed(data):
        return False
    if data["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(status.get("updatedNumberScheduled", 0) >= wanted <= status.get("numberAvailable", 0))
    wanted = spec.get("replicas", 1)
    updated = status.get("updatedReplicas", 0) >= wanted and status.get("replicas", 0) <= max(wanted, 0)
    return bool(updated and status.get("availableReplicas", 0) >= wanted)


def _creation_failure(data: Data, pods: Sequence[Data], events: Iterable[Data]) -> str:
    """Why the controller can't create pods. If pods exist, old events about it aren't relevant."""
    if failure := _condition(data, "ReplicaFailure"):
        return _explain_refusal(failure.get("message", ""))
    for event in () if pods else events:
        concerned = event.get("involvedObject", {})
        same = (concerned.get("kind"), concerned.get("name")) == (data["kind"], data["metadata"]["name"])
        if same and event.get("reason") == "FailedCreate":
            return _explain_refusal(event.get("message", ""))
    return ""


def _explain_refusal(message: str) -> str:
    if "exceeded quota" in message:
        found = re.search(r"requested: (\S+), used: (\S+), limited: (\S+)", message)
        return wording.quota_exceeded(wording.quota_amounts(found[1], found[2], found[3]) if found else "")
    if "violates PodSecurity" in message:
        why = message.partition("violates PodSecurity")[2].partition('": ')[2]
        return wording.violates_pod_security(shorten(why))
    return wording.pods_not_created(shorten(message))


def _newest_pods(data: Data, pods: Iterable[Data]) -> list[Data]:
    """Pods of the newest template, by creation time. Pods of the previous one still serve and don't matter here."""
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if data["kind"] != "Deployment" or not living:
        return living
    newest = max(living, key=lambda pod: pod["metadata"].get("creationTimestamp", ""))
    wanted = newest["metadata"].get("labels", {}).get("pod-template-hash")
    return [pod for pod in living if pod["metadata"].get("labels", {}).get("pod-template-hash") == wanted]


def _worst_status(pods: Iterable[Data], events: Iterable[Data], *, is_job: bool = False) -> RolloutStatus | None:
    """A definite failure of any pod, or else a pending reason. ``is_job``: it is supposed to exit."""
    verdicts = [_pod_status(pod, list(events), is_job) for pod in pods]
    certain = [verdict for verdict in verdicts if verdict.failure]
    doubted = [verdict for verdict in verdicts if verdict.pending_reason]
    return next(iter([*certain, *doubted]), None)


def _pod_status(pod: Data, events: list[Data], is_job: bool) -> RolloutStatus:
    own = [event for event in events if event.get("involvedObject", {}).get("name") == _name(pod)]
    for condition in _conditions(pod):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            if any(event.get("reason") in _SCALE_UP_REASONS for event in own):
                return RolloutStatus(pending_reason=wording.NODE_IS_ADDED)
            if _CLAIM_PENDING.search(condition.get("message", "")):
                return RolloutStatus(pending_reason=wording.NO_VOLUME_YET)
            return RolloutStatus(failure=wording.no_node(_scheduling_reason(condition.get("message", ""))))
    if _is_lost(pod):
        return RolloutStatus(pending_reason=wording.NODE_LOST, pod=_name(pod))
    for status in _statuses(pod):
        found = _container_status(status, is_job)
        if found.failure and not _may_pull_again(status, own):
            return RolloutStatus(
                failure=found.failure, pod=_name(pod), container=status["name"], previous=found.previous
            )
    for status in _statuses(pod):
        if not status.get("ready") and not is_job:
            return RolloutStatus(
                pending_reason=_not_ready_reason(status, own), pod=_name(pod), container=status["name"]
            )
    return RolloutStatus()


def _scheduling_reason(message: str) -> str:
    """The scheduler's message about nodes, without the part about preemption."""
    return shorten(re.split(r"\. (?:no new claims|preemption)", message)[0])


def _container_status(status: Data, is_job: bool) -> RolloutStatus:
    waiting = status.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE_ERRORS or (reason == "ErrImagePull" and _PERMANENT_PULL_ERROR.search(message)):
        image = _short_digests(status.get("image", ""))
        return RolloutStatus(failure=wording.image_not_pulled(image, _pull_error(message) or reason))
    if reason in _CONTAINER_ERRORS and not _SLOW_CACHE.search(message):
        return RolloutStatus(failure=wording.container_not_started(shorten(message)))
    last = status.get("lastState", {}).get("terminated") or {}
    if reason == "CrashLoopBackOff" and not is_job:
        times = status.get("restartCount", 0) + 1
        return RolloutStatus(failure=wording.keeps_crashing(times, _exit_reason(last)), previous=True)
    return RolloutStatus()


def _may_pull_again(status: Data, events: Iterable[Data]) -> bool:
    """Whether every attempt to pull its image may have lacked credentials. The kubelet of a busy node can be late to
    read a new Secret: it reports that, pulls without it, is rejected, and tries again ten seconds later. Its events
    come in order, so nothing is known before that of the pull."""
    unread, pulls = _pull_counts(status, events)
    reason = (status.get("state", {}).get("waiting") or {}).get("reason", "")
    return unread >= pulls and (reason == "ErrImagePull" or (reason == "ImagePullBackOff" and unread > 0))


def _pull_counts(status: Data, events: Iterable[Data]) -> tuple[int, int]:
    """How often the kubelet didn't have the credentials, and how often it pulled the container's image."""
    counts = {_CREDENTIALS_UNREAD: 0, "Pulling": 0}
    for event in events:
        path, reason = event.get("involvedObject", {}).get("fieldPath", ""), event.get("reason")
        if reason in counts and (not path or path.endswith(f"{{{status['name']}}}")):
            counts[reason] += event.get("count") or 1
    return counts[_CREDENTIALS_UNREAD], counts["Pulling"]


def _pull_error(message: str) -> str:
    """The last error of a chain of wrapped errors. If it is long, its end counts: that is the cause."""
    text = re.sub(r"^.*?(?=[^:]*: (?:not found|.*unauthorized|.*denied))", "", message).strip(' "')
    text = " ".join(_short_digests(text).split())
    return text if len(text) <= _MAX_PULL_ERROR else f"…{text[1 - _MAX_PULL_ERROR :]}"


def _short_digests(text: str) -> str:
    return re.sub(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}", r"\1…", text)


def _exit_reason(state: Data) -> str:
    if state.get("reason") == "OOMKilled":
        return wording.OUT_OF_MEMORY
    if state.get("signal"):
        return wording.killed_by(state["signal"])
    return wording.exit_status(state.get("exitCode", "?"))


def _not_ready_reason(status: Data, events: list[Data]) -> str:
    waiting = status.get("state", {}).get("waiting") or {}
    if _may_pull_again(status, events) and _pull_counts(status, events)[0]:
        return wording.CREDENTIALS_UNREAD
    if waiting:
        return wording.container_waits(waiting.get("reason", "unknown"))
    failing = [event for event in events if event.get("reason") == "Unhealthy"]
    if failing:
        message = shorten(failing[-1].get("message", ""))
        refused = _REFUSED.search(message)
        return wording.health_check_fails(wording.nothing_listens(refused[1]) if refused else message)
    return wording.NOT_HEALTHY_YET


def _statuses(pod: Data) -> list[Data]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _conditions(data: Data) -> list[Data]:
    return list(data.get("status", {}).get("conditions") or [])


def _condition(data: Data, kind: str) -> Data | None:
    """The condition of that type, if it is true."""
    matching = (item for item in _conditions(data) if item.get("type") == kind and item.get("status") == "True")
    return next(matching, None)


def _name(data: Data) -> str:
    return str(data["metadata"]["name"])


def shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
