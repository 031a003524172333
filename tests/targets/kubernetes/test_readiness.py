"""Why a workload doesn't become ready, in one sentence, from what the cluster reports (P3, T2)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from programs.targets.kubernetes.observation import rollout, wording

NAME = {"name": "web-1", "creationTimestamp": "2026-01-01T00:00:01Z", "labels": {"pod-template-hash": "new"}}


def deployment(**status: Any) -> dict[str, Any]:
    told = {"observedGeneration": 2, "updatedReplicas": 1, **status}
    return {"kind": "Deployment", "metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 1}, "status": told}


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": NAME, "status": status}


def container(state: dict[str, Any], last: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    told = {"name": "app", "image": "acme/shop:1", "state": state, "lastState": last or {}, **more}
    return pod(containerStatuses=[told])


def event(kind: str, name: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message}


def pull_events(unread: int, pulls: int) -> list[dict[str, Any]]:
    """As a kubelet reports them: the first about the pod, the second about its container."""
    secret = {**event("Pod", "web-1", "FailedToRetrieveImagePullSecret"), "count": unread}
    pulling = {**event("Pod", "web-1", "Pulling"), "count": pulls}
    pulling["involvedObject"] |= {"fieldPath": "spec.containers{app}"}
    other = {**pulling, "involvedObject": {**pulling["involvedObject"], "fieldPath": "spec.containers{proxy}"}}
    return [*([secret] if unread else []), *([pulling] if pulls else []), {**other, "count": 9}]


LOST: dict[str, Any] = {
    "conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}],
    "containerStatuses": [{"name": "app", "ready": True, "state": {"running": {}}}],
}
"""As on a real cluster, forty seconds after the node's last heartbeat."""
DONE = {"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}


def test_ready_once_new_pods_are_available_and_old_ones_are_gone() -> None:
    assert rollout.workload_status(deployment(**DONE), [], []).ready
    assert not rollout.workload_status(deployment(**{**DONE, "replicas": 2}), [], []).ready
    assert not rollout.workload_status(deployment(**{**DONE, "availableReplicas": 0}), [], []).ready
    assert not rollout.workload_status(deployment(**{**DONE, "observedGeneration": 1}), [], []).ready
    old = {"metadata": {**NAME, "deletionTimestamp": "2026"}, "status": {}}
    assert rollout.workload_status(deployment(**DONE), [old], []).pending_reason == "old pods are still serving"
    none = {**deployment(), "spec": {"replicas": 0}}
    assert rollout.workload_status(none, [], []).ready


@pytest.mark.parametrize("seen", [{"observedGeneration": 1}, {"updatedReplicas": 0}])
def test_problems_of_the_last_attempt_do_not_count(seen: dict[str, int]) -> None:
    """Until there are pods of the newest template, the newest pods belong to the last attempt."""
    ended = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    last = container(ended, {"terminated": {"exitCode": 3}}, restartCount=2)
    assert "keeps crashing" in rollout.workload_status(deployment(), [last], []).failure
    assert rollout.workload_status(deployment(**seen), [last], []).pending_reason == "its pods don't exist yet"


def test_long_pull_error_keeps_its_cause() -> None:
    wrapped = "failed to resolve reference: failed to do request: Head " + "https://registry.test/v2/acme " * 20
    last = container(
        {"waiting": {"reason": "ImagePullBackOff", "message": f"{wrapped}: x509: certificate has expired"}}
    )
    assert rollout.workload_status(deployment(), [last], []).failure.endswith("x509: certificate has expired")


def test_pull_error_keeps_its_cause_in_the_error_of_the_operation() -> None:
    """P3: which has a limit of its own. A reference with a digest is long."""
    image = f"registry.example.com:5000/acme/shop@sha256:{'9' * 64}"
    message = (
        f'failed to pull and unpack image "{image}": failed to copy: httpReadSeeker: failed open: unexpected status '
        f"code http://registry.example.com:5000/v2/acme/shop/manifests/sha256:{'9' * 64}: 503 Service Unavailable"
    )
    last = container({"waiting": {"reason": "ImagePullBackOff", "message": message}}, image=image)
    failure = rollout.workload_status(deployment(), [last], []).failure
    assert "can't pull the image registry.example.com:5000/acme/shop@sha256:99999999…" in failure
    assert failure.endswith("503 Service Unavailable")
    assert len(f"Deployment tickets-gentle-stream-k7wq-42-web: {failure}") <= OPERATION_ERROR


OPERATION_ERROR = 300
"""Characters of an operation's error, of which the start is kept."""
QUOTA = (
    'pods "web-1" is forbidden: exceeded quota: eph-quota, requested: limits.memory=512Mi, used: limits.memory=4Gi, '
    "limited: limits.memory=4Gi"
)
SECURITY = (
    'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "a")'
)
NOT_FOUND = (
    'failed to pull and unpack image "registry.test/acme/shop:1": failed to resolve reference '
    '"registry.test/acme/shop:1": registry.test/acme/shop:1: not found'
)
SLOW_CACHE = "failed to sync secret cache: timed out waiting for the condition"
CASES: list[tuple[dict[str, Any] | None, list[dict[str, Any]], str]] = [
    (
        container({"waiting": {"reason": "ErrImagePull", "message": NOT_FOUND}}),
        pull_events(0, 1),
        "can't pull.*not found",
    ),
    (container({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}), [], "can't pull"),
    (
        container({"waiting": {"reason": "ErrImagePull", "message": "401 Unauthorized"}}),
        pull_events(0, 1),
        "can't pull.*Unauthorized",
    ),
    (
        container(
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            {"terminated": {"exitCode": 3, "reason": "Error"}},
            restartCount=1,
        ),
        [],
        r"keeps crashing \(2 times\): exit status 3",
    ),
    (
        container(
            {"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        ),
        [],
        "exceeded its memory limit",
    ),
    (
        container({"waiting": {"reason": "CreateContainerConfigError", "message": "container has runAsNonRoot"}}),
        [],
        "can't start: container has runAsNonRoot",
    ),
    (
        pod(
            conditions=[
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, "
                    "preemption: 0/1 nodes are available: 1 No preemption victims found.",
                }
            ]
        ),
        [],
        "no node can run it: 0/1 nodes are available: 1 Insufficient memory",
    ),
    (None, [event("Deployment", "web", "FailedCreate", QUOTA)], "quota is exceeded: requested limits.memory=512Mi"),
    (None, [event("Deployment", "web", "FailedCreate", SECURITY)], "violate Pod Security: runAsNonRoot != true"),
    (None, [event("Deployment", "web", "FailedCreate", "webhook says no")], "can't be created: webhook says no"),
]


@pytest.mark.parametrize(
    "message",
    [
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        'persistentvolumeclaim "data-eph-db-0" not found',
    ],
)
def test_a_volume_that_is_being_created_is_awaited(message: str) -> None:
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    status = rollout.workload_status(deployment(), [pod(conditions=[waiting])], [])
    assert (status.failure, status.pending_reason) == ("", wording.NO_VOLUME_YET)


@pytest.mark.parametrize(("found", "events", "why"), CASES, ids=[why for _, _, why in CASES])
def test_definite_failures_are_reported_at_once(
    found: dict[str, Any] | None, events: list[dict[str, Any]], why: str
) -> None:
    verdict = rollout.workload_status(deployment(), [found] if found else [], events)
    assert not verdict.ready
    assert "preemption" not in verdict.failure
    assert re.search(why, verdict.failure), verdict.failure


def test_controller_condition_is_a_failure_too() -> None:
    told = [{"type": "ReplicaFailure", "status": "True", "message": QUOTA}]
    assert "quota is exceeded" in rollout.workload_status(deployment(conditions=told), [], []).failure


@pytest.mark.parametrize(
    ("found", "events", "doubt"),
    [
        (container({"waiting": {"reason": "ContainerCreating"}}), [], "waiting: ContainerCreating"),
        (container({"waiting": {"reason": "ErrImagePull", "message": "i/o timeout"}}), [], "waiting: ErrImagePull"),
        (container({"waiting": {"reason": "ErrImagePull", "message": "denied"}}), pull_events(0, 0), "ErrImagePull"),
        (
            container({"waiting": {"reason": "CreateContainerConfigError", "message": SLOW_CACHE}}),
            [],
            "waiting: Create",
        ),
        (container({"running": {}}, ready=False), [], "hasn't succeeded yet"),
        (pod(**LOST), [], "its node doesn't respond"),
        (
            container({"running": {}}, ready=False),
            [event("Pod", "web-1", "Unhealthy", "HTTP probe failed with statuscode: 500")],
            "fails: HTTP probe failed with statuscode: 500",
        ),
        (
            container({"running": {}}, ready=False),
            [event("Pod", "web-1", "Unhealthy", "dial tcp 10.0.0.7:8080: connect: connection refused")],
            "fails: nothing listens on port 8080",
        ),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
            [event("Pod", "web-1", "TriggeredScaleUp")],
            "adding a node",
        ),
    ],
)
def test_possible_recoveries_are_waited_for(found: dict[str, Any], events: list[dict[str, Any]], doubt: str) -> None:
    verdict = rollout.workload_status(deployment(), [found], events)
    assert (verdict.failure, doubt in verdict.pending_reason) == ("", True), verdict


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_pull_without_the_secret_that_the_node_had_not_read_is_repeated(reason: str) -> None:
    """T6: a busy node's first pull came before its copy of the new Secret, and ended the first update with "401
    Unauthorized". Once it pulled with the credentials, the registry's answer counts."""
    found = container({"waiting": {"reason": reason, "message": "unexpected status: 401 Unauthorized"}})
    early = rollout.workload_status(deployment(), [found], pull_events(unread=1, pulls=1))
    assert (early.failure, "registry credentials" in early.pending_reason) == ("", True)
    assert not rollout.job_status(job(), [found], pull_events(unread=2, pulls=1)).failure
    late = rollout.workload_status(deployment(), [found], pull_events(unread=1, pulls=2))
    assert "Unauthorized" in late.failure
    assert rollout.job_status(job(), [found], pull_events(unread=1, pulls=2)).failure
    crashing = container({"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 3}})
    assert rollout.workload_status(deployment(), [crashing], pull_events(unread=1, pulls=1)).failure


def test_pods_of_the_last_template_and_terminating_pods_do_not_count() -> None:
    broken = container({"waiting": {"reason": "CrashLoopBackOff"}})
    old = {
        **broken,
        "metadata": {**NAME, "name": "old", "creationTimestamp": "2025", "labels": {"pod-template-hash": "o"}},
    }
    going = {**broken, "metadata": {**NAME, "deletionTimestamp": "2026"}}
    fine = container({"running": {}}, ready=False)
    assert rollout.workload_status(deployment(), [old, going, fine], []).failure == ""


def job(**condition: str) -> dict[str, Any]:
    told = {"conditions": [{"status": "True", **condition}]} if condition else {}
    return {"kind": "Job", "metadata": {"name": "web"}, "spec": {}, "status": told}


def test_job_is_done_failed_late_or_running() -> None:
    ended = container({"terminated": {"exitCode": 4}})
    assert rollout.job_status(job(type="Complete"), [], []).ready
    failed = rollout.job_status(job(type="Failed", reason="BackoffLimitExceeded"), [ended], [])
    assert (failed.failure, failed.pod, failed.container) == ("failed: exit status 4", "web-1", "app")
    assert "timed out" in rollout.job_status(job(type="Failed", reason="DeadlineExceeded"), [], []).failure
    assert rollout.job_status(job(), [container({"running": {}})], []).pending_reason == "still running"
    pulled = container({"waiting": {"reason": "ImagePullBackOff"}})
    assert "can't pull" in rollout.job_status(job(), [pulled], []).failure


def test_only_attempt_of_a_job_counts_as_soon_as_its_pod_has_ended() -> None:
    """The Job itself reports it two seconds later, which would add up over a database's three Jobs."""
    done, failed = container({"terminated": {"exitCode": 0}}), container({"terminated": {"exitCode": 4}})
    late = {**failed, "metadata": {**NAME, "deletionTimestamp": "2026"}}
    once = {**job(), "spec": {"backoffLimit": 0}}
    assert rollout.job_status(once, [done], []).ready
    assert rollout.job_status(once, [failed], []).failure == "failed: exit status 4"
    assert rollout.job_status(once, [late], []).pending_reason, "its time was up, which the Job will say"
    for many in ({"backoffLimit": 0, "completions": 2}, {"backoffLimit": 3}, {}):
        assert not rollout.job_status({**job(), "spec": many}, [done], []).ready
        assert not rollout.job_status({**job(), "spec": many}, [failed], []).failure


def test_a_job_has_failed_as_soon_as_its_only_pod_has() -> None:
    """D2: a retry that comes before the Job's own condition must not wait for the same failure again."""
    done, failed = container({"terminated": {"exitCode": 0}}), container({"terminated": {"exitCode": 4}})
    once = {**job(), "spec": {"backoffLimit": 0}}
    assert rollout.has_failed(once, [failed])
    assert not rollout.has_failed(once, [done])
    assert not rollout.has_failed(once, [])
    assert not rollout.has_failed({**job(), "spec": {"backoffLimit": 3}}, [failed])
    assert rollout.has_failed(job(type="Failed"), [])
    assert not rollout.has_failed(job(type="Complete"), [failed])


def test_lost_nodes_are_detected_by_their_pods() -> None:
    gated = {"nodeName": "two", "readinessGates": [{"conditionType": "load-balancer"}]}
    well = {**LOST, "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]}
    placed = [({"nodeName": "one"}, LOST), (gated, LOST), ({"nodeName": "three"}, well), ({"nodeName": "one"}, LOST)]
    pods = [{"metadata": NAME, "spec": spec, "status": status} for spec, status in placed]
    assert rollout.lost_nodes(pods) == ["one"]
