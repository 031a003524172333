"""Whether a workload became ready, and if it cannot, why: pure judgements over what the cluster says of it.

Kubernetes tries for ever and says why in a dozen places. Here the places are read in the order in which they help: the
controller that may not even make a pod (quota, pod security), the scheduler that finds no node, the image that cannot
be had, the process that ends, and at last the health check that says no. The first three and a process that keeps
ending are certain at once; a health check may still say yes until its deadline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Data = Mapping[str, Any]
_IMAGE = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_CERTAIN_PULL = re.compile(
    r"not found|manifest unknown|denied|unauthorized|authentication required|no basic auth", re.I
)
_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
_SCALING = ("TriggeredScaleUp", "Nominated")
_MOST = 240


@dataclass(frozen=True, slots=True)
class Verdict:
    """``trouble``: a sentence, when it will not become ready. ``doubt``: why it is not ready yet. ``pod`` and
    ``container``: whose log tells more; ``previous``: that of the process before the one that runs now."""

    ready: bool = False
    trouble: str = ""
    doubt: str = ""
    pod: str = ""
    container: str = ""
    previous: bool = False


def workload(data: Data, pods: Sequence[Data], events: Iterable[Data]) -> Verdict:
    """A Deployment, StatefulSet or DaemonSet. ``pods`` are its own; it is ready once only the newest answer."""
    newest = _newest(data, pods)
    if _rolled_out(data):
        going = [pod for pod in pods if pod not in newest]
        return Verdict(doubt="its old pods still answer") if going else Verdict(ready=True)
    not_yet = Verdict(doubt="its pods are not there yet")
    if not _is_seen(data):  # what is said was said of the template before
        return not_yet
    refused = _refused(data, pods, events)
    if refused:
        return Verdict(trouble=refused)
    return (_worst(newest, events) if _has_begun(data) else None) or not_yet


def state(pod: Data, events: Iterable[Data]) -> tuple[str, str]:
    """One pod in a word, and why in a sentence: as ``programs.insides.Process`` has it."""
    phase = pod.get("status", {}).get("phase", "")
    if pod["metadata"].get("deletionTimestamp"):
        return "ending", "it was told to end"
    if phase == "Succeeded":
        return "ended", ""
    verdict = _pod(pod, list(events), False)
    if phase == "Failed":
        return "failing", verdict.trouble or _why_failed(pod)
    if verdict.trouble:
        return "failing", verdict.trouble
    if not verdict.doubt:
        return ("running", "") if phase == "Running" else ("starting", "")
    return "unknown" if verdict.doubt == LOST else "starting", verdict.doubt


LOST = "its node does not answer"


def lost_nodes(pods: Iterable[Data]) -> list[str]:
    """Nodes of these pods that do not answer."""
    return sorted({pod["spec"]["nodeName"] for pod in pods if _is_lost(pod)})


def _is_lost(pod: Data) -> bool:
    """A kubelet says of a pod and of its containers whether they are ready, and says the same of both. Where they
    differ, the cluster gave the pod up in the place of a kubelet from which it hears nothing."""
    said = {condition["type"]: condition.get("status") for condition in _conditions(pod)}
    gated = pod.get("spec", {}).get("readinessGates")
    return said.get("Ready") == "False" and said.get("ContainersReady") == "True" and not gated


def _why_failed(pod: Data) -> str:
    for status in _statuses(pod):
        ended = status.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            return _ended(ended)
    return short(str(pod["status"].get("message") or pod["status"].get("reason") or "it failed"))


def job(data: Data, pods: Sequence[Data], events: Iterable[Data]) -> Verdict:
    if _condition(data, "Complete"):
        return Verdict(ready=True)
    if failed := _condition(data, "Failed"):
        return _failed_job(failed, pods)
    ended = _ended_try(pods) if _tries_once(data) else None
    if ended:
        return ended
    refused = _refused(data, pods, events)
    if refused:
        return Verdict(trouble=refused)
    return _worst(pods, events, ends=True) or Verdict(doubt="it is not done yet")


def has_failed(data: Data) -> bool:
    """A Job that will not be tried again."""
    return _condition(data, "Failed") is not None


def _tries_once(data: Data) -> bool:
    spec = data.get("spec", {})
    return (spec.get("backoffLimit"), spec.get("completions", 1), spec.get("parallelism", 1)) == (0, 1, 1)


def _ended_try(pods: Iterable[Data]) -> Verdict | None:
    """How the only try of a Job ended, as its pod says; the Job itself says it two seconds later."""
    for pod in pods:
        states = [status.get("state", {}).get("terminated") for status in _statuses(pod)]
        if states and all(states) and not pod["metadata"].get("deletionTimestamp"):
            return _failed_try([pod]) or Verdict(ready=True)
    return None


def _failed_try(pods: Iterable[Data]) -> Verdict | None:
    for pod in pods:
        for status in _statuses(pod):
            ended = status.get("state", {}).get("terminated")
            if ended and ended.get("exitCode"):
                return Verdict(trouble=f"it failed: {_ended(ended)}", pod=_name(pod), container=status["name"])
    return None


def _failed_job(condition: Data, pods: Iterable[Data]) -> Verdict:
    late = condition.get("reason") == "DeadlineExceeded"
    words = "it took longer than it may" if late else short(condition.get("message", "it failed"))
    return _failed_try(pods) or Verdict(trouble=words)


def _is_seen(data: Data) -> bool:
    """Whether its controller knows the template that was applied last."""
    generation: int = data["metadata"].get("generation", 0)
    return bool(data.get("status", {}).get("observedGeneration", 0) >= generation)


def _has_begun(data: Data) -> bool:
    """Whether there are pods of the newest template. Until then the newest pods are those of a try before, and what
    ails them is no news."""
    return data["kind"] != "Deployment" or bool(data.get("status", {}).get("updatedReplicas"))


def _rolled_out(data: Data) -> bool:
    spec, status = data.get("spec", {}), data.get("status", {})
    if not _is_seen(data):
        return False
    if data["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(status.get("updatedNumberScheduled", 0) >= wanted <= status.get("numberAvailable", 0))
    wanted = spec.get("replicas", 1)
    updated = status.get("updatedReplicas", 0) >= wanted and status.get("replicas", 0) <= max(wanted, 0)
    return bool(updated and status.get("availableReplicas", 0) >= wanted)


def _refused(data: Data, pods: Sequence[Data], events: Iterable[Data]) -> str:
    """Its controller may not make pods. Where there are some, an event of long ago says nothing of them."""
    if failure := _condition(data, "ReplicaFailure"):
        return _why_refused(failure.get("message", ""))
    for event in () if pods else events:
        concerned = event.get("involvedObject", {})
        same = (concerned.get("kind"), concerned.get("name")) == (data["kind"], data["metadata"]["name"])
        if same and event.get("reason") == "FailedCreate":
            return _why_refused(event.get("message", ""))
    return ""


def _why_refused(message: str) -> str:
    if "exceeded quota" in message:
        found = re.search(r"requested: (\S+), used: (\S+), limited: (\S+)", message)
        told = f": it asks for {found[1]}, {found[2]} is used, {found[3]} is the most" if found else ""
        return f"the environment's quota is used up{told}; ask for less in eph.yaml, or for more from the operator"
    if "violates PodSecurity" in message:
        why = message.partition("violates PodSecurity")[2].partition('": ')[2]
        return f"its pods are not allowed here: {short(why)}"
    return f"its pods cannot be made: {short(message)}"


def _newest(data: Data, pods: Iterable[Data]) -> list[Data]:
    """Pods of the newest template, by when they were made: those of the last one answer and have nothing to tell."""
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if data["kind"] != "Deployment" or not living:
        return living
    newest = max(living, key=lambda pod: pod["metadata"].get("creationTimestamp", ""))
    wanted = newest["metadata"].get("labels", {}).get("pod-template-hash")
    return [pod for pod in living if pod["metadata"].get("labels", {}).get("pod-template-hash") == wanted]


def _worst(pods: Iterable[Data], events: Iterable[Data], *, ends: bool = False) -> Verdict | None:
    """What is certain of any pod, before what is only doubted. ``ends``: that its process ends is what it is for."""
    verdicts = [_pod(pod, list(events), ends) for pod in pods]
    certain = [verdict for verdict in verdicts if verdict.trouble]
    doubted = [verdict for verdict in verdicts if verdict.doubt]
    return next(iter([*certain, *doubted]), None)


def _pod(pod: Data, events: list[Data], ends: bool) -> Verdict:
    own = [event for event in events if event.get("involvedObject", {}).get("name") == _name(pod)]
    for condition in _conditions(pod):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            if any(event.get("reason") in _SCALING for event in own):
                return Verdict(doubt="the cluster is adding a node for it")
            return Verdict(trouble=f"no node can take it: {_no_node(condition.get('message', ''))}")
    if _is_lost(pod):
        return Verdict(doubt=LOST, pod=_name(pod))
    for status in _statuses(pod):
        found = _container(status, ends)
        if found.trouble:
            return Verdict(trouble=found.trouble, pod=_name(pod), container=status["name"], previous=found.previous)
    for status in _statuses(pod):
        if not status.get("ready") and not ends:
            return Verdict(doubt=_unready(status, own), pod=_name(pod), container=status["name"])
    return Verdict()


def _no_node(message: str) -> str:
    """What the scheduler says of nodes, without what it says of making room on them."""
    return short(re.split(r"\. (?:no new claims|preemption)", message)[0])


def _container(status: Data, ends: bool) -> Verdict:
    waiting = status.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE or (reason == "ErrImagePull" and _CERTAIN_PULL.search(message)):
        return Verdict(trouble=f"the image {status.get('image', '')} cannot be had: {_pull(message) or reason}")
    if reason in _CONTAINER:
        return Verdict(trouble=f"its container cannot start: {short(message)}")
    last = status.get("lastState", {}).get("terminated") or {}
    if reason == "CrashLoopBackOff" and not ends:
        times = status.get("restartCount", 0) + 1
        return Verdict(trouble=f"its process keeps ending ({times} times): {_ended(last)}", previous=True)
    return Verdict()


def _pull(message: str) -> str:
    """The end of a chain of wrapped errors says what is wrong."""
    return short(re.sub(r"^.*?(?=[^:]*: (?:not found|.*unauthorized|.*denied))", "", message).strip(' "'))


def _ended(state: Data) -> str:
    if state.get("reason") == "OOMKilled":
        return "it used more memory than it may"
    if state.get("signal"):
        return f"killed by signal {state['signal']}"
    return f"exit status {state.get('exitCode', '?')}"


def _unready(status: Data, events: list[Data]) -> str:
    waiting = status.get("state", {}).get("waiting") or {}
    if waiting:
        return f"its container waits: {waiting.get('reason', 'unknown')}"
    failing = [event for event in events if event.get("reason") == "Unhealthy"]
    if failing:
        return f"its health check says no: {short(failing[-1].get('message', ''))}"
    return "its health check has not said yes yet"


def _statuses(pod: Data) -> list[Data]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _conditions(data: Data) -> list[Data]:
    return list(data.get("status", {}).get("conditions") or [])


def _condition(data: Data, kind: str) -> Data | None:
    """The one of that type, if it holds."""
    told = (item for item in _conditions(data) if item.get("type") == kind and item.get("status") == "True")
    return next(told, None)


def _name(data: Data) -> str:
    return str(data["metadata"]["name"])


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"
