"""The output and state of pods in words (P5, P6, S4)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from programs import steps
from programs.runtime_info import LogRequest, NoSuchLog
from programs.steps import StepOutput
from programs.targets.kubernetes.api.cluster import Data
from programs.targets.kubernetes.observation import job_output, pod_info
from programs.targets.kubernetes.observation.job_output import JobOutput

PASSWORD = "a-password-of-nobody"
SERVICE = "eph.dev/service"


def pod(name: str, labels: dict[str, str], phase: str = "Running", **status: Any) -> dict[str, Any]:
    about = {"name": name, "namespace": "shop-1", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = {"containers": [{"name": "app", "image": "acme/shop:1"}]}
    return {"metadata": about, "spec": spec, "status": {"phase": phase, **status}}


class FakeCluster:
    """Pods with the lines they printed, each with its timestamp; logs are returned like the kubelet does."""

    def __init__(self) -> None:
        self.pods = [pod("web-1", {SERVICE: "web"}), pod("api-1", {SERVICE: "api"}), pod("db-0", {SERVICE: "eph-db"})]
        self.lines = {
            "web-1": ["2026-01-01T00:00:01Z web begins", f"2026-01-01T00:00:03Z it is {PASSWORD}!"],
            "api-1": ["2026-01-01T00:00:02Z api begins"],
            "db-0": ["2026-01-01T00:00:00Z database"],
        }
        self.before = {"web-1": ["2025-01-01T00:00:00Z died of postgres://app:hunter@db/app"]}

    def list_namespaced(self, _: str, kind: str) -> list[dict[str, Any]]:
        coded = base64.b64encode(PASSWORD.encode()).decode()
        return self.pods if kind == "v1/pods" else [{"data": {"password": coded, "short": "eWVz", "bad": "***"}}]

    def read_log(self, _: str, pod: str, container: str, *, previous: bool, lines: int, since: str) -> list[str]:
        return (self.before if previous else self.lines).get(pod, [])[-lines:]


def test_lines_of_several_services_are_ordered_prefixed_and_redacted() -> None:
    told = pod_info.read_logs(FakeCluster(), "shop-1", LogRequest())
    assert told.lines == ("web | web begins", "api | api begins", "web | it is ***!")


def test_follower_gets_new_lines_and_new_pods() -> None:
    cluster = FakeCluster()
    told = pod_info.read_logs(cluster, "shop-1", LogRequest())
    assert pod_info.read_logs(cluster, "shop-1", LogRequest(since=told.positions)).lines == ()
    cluster.lines["api-1"].append("2026-01-01T00:00:05Z more")
    cluster.pods.append(pod("web-2", {SERVICE: "web"}))
    cluster.lines["web-2"] = ["2026-01-01T00:00:04Z a new one"]
    again = pod_info.read_logs(cluster, "shop-1", LogRequest(since=told.positions))
    assert again.lines == ("web | a new one", "api | more")
    assert pod_info.read_logs(cluster, "shop-1", LogRequest(since=again.positions)).lines == ()


def test_only_lines_after_a_time() -> None:
    """P5"""
    cluster, time = FakeCluster(), datetime(2026, 1, 1, 1, 0, 1, 500_000, tzinfo=timezone(timedelta(hours=1)))
    cluster.lines["web-1"] = [f"2026-01-01T00:00:01.{part}Z {part}" for part in ("100000001", "500000001", "9")]
    cluster.lines["api-1"] = ["2026-01-01T00:00:00.999999999Z too early"]
    told = pod_info.read_logs(cluster, "shop-1", LogRequest(after=time))
    assert told.lines == ("web | 500000001", "web | 9")
    assert pod_info.read_logs(cluster, "shop-1", LogRequest(after=time + timedelta(hours=1))).lines == ()


def test_selecting_service_and_previous_process_and_missing_logs() -> None:
    cluster = FakeCluster()
    assert pod_info.read_logs(cluster, "shop-1", LogRequest("eph-db")).lines == ("database",)
    assert pod_info.read_logs(cluster, "shop-1", LogRequest("web", previous=True)).lines == (
        "died of postgres://app:***@db/app",
    )
    with pytest.raises(NoSuchLog, match=r"no service 'wbe'.* api, eph-db, web"):
        pod_info.read_logs(cluster, "shop-1", LogRequest("wbe"))
    cluster.pods.clear()
    assert pod_info.read_logs(cluster, "shop-1", LogRequest("web")).lines == (), "it is not there yet"


READY: Data = {"containerStatuses": [{"name": "app", "ready": True, "restartCount": 2}]}
DIED = {
    "name": "app",
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 3}},
}
WAITS = {"name": "app", "state": {"waiting": {"reason": "x"}}}
NODE = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
STATES = [
    (pod("a", {}, **READY), "running", ""),
    (
        pod("a", {}, "Pending", containerStatuses=[{"name": "app", "state": {"waiting": {"reason": "x"}}}]),
        "starting",
        "x",
    ),
    (pod("a", {}, containerStatuses=[DIED]), "failing", r"keeps crashing (5 times): exit status 3"),
    (pod("a", {}, "Succeeded"), "ended", ""),
    (pod("a", {}, "Failed", reason="Evicted", message="The node was low on memory"), "failing", "low on memory"),
    (pod("a", {}, "Pending"), "starting", ""),
    (pod("a", {}, conditions=NODE, **READY), "unknown", "node doesn't"),
]


@pytest.mark.parametrize(("data", "state", "detail"), STATES, ids=[state for _, state, _ in STATES])
def test_pod_has_a_state_and_a_reason(data: dict[str, Any], state: str, detail: str) -> None:
    found = pod_info.process_info(data, [])
    assert found.state == state
    assert detail in found.detail
    assert found.image == "acme/shop:1"


def test_deleted_pod_is_terminating() -> None:
    going = pod("a", {"batch.kubernetes.io/job-name": "eph-seed"}, **READY)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = pod_info.process_info(going, [])
    assert (found.state, found.restarts, found.service) == ("ending", 2, "eph-seed")


def event(reason: str, at: str, message: str = "", **more: Any) -> dict[str, Any]:
    about = {"involvedObject": {"kind": "Pod", "name": "web-1"}, "lastTimestamp": at}
    return {**about, "reason": reason, "message": message, **more}


def test_events_are_in_words_newest_last() -> None:
    found = pod_info.recent_events([
        event("Unhealthy", "2026-01-01T00:00:03Z", "HTTP probe failed with 500", type="Warning", count=7),
        event("Pulled", "2026-01-01T00:00:01Z", "Successfully pulled image in 3ms"),
        event("Strange", "2026-01-01T00:00:02Z", "postgres://app:hunter@db"),
        event("Scheduled", "nonsense"),
    ])  # fmt: skip
    assert [item.message for item in found] == [
        "scheduled",
        "image pulled",
        "Strange: postgres://app:***@db",
        "health check failed: HTTP probe failed with 500",
    ]
    assert (found[-1].at, found[-1].times, found[-1].bad) == (datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC), 7, True)
    assert found[-1].about == "pod web-1"


def test_output_of_a_job_is_shown_as_it_is_printed_and_redacted() -> None:
    """P1, S4: a migration's output while it runs; nothing of it is shown twice."""
    cluster = FakeCluster()
    cluster.pods.append(pod("run-1", {pod_info.JOB_NAME_LABEL: "eph-run"}))
    cluster.lines["run-1"] = ["2026-01-01T00:00:01Z creating table"]
    shown: list[str] = []
    steps.listen(lambda event: shown.extend(event.lines))
    output = JobOutput(cluster, "shop-1", StepOutput("Migrate main"))
    output.read("eph-run")
    cluster.lines["run-1"].append(f"2026-01-01T00:00:02Z with {PASSWORD}")
    output.read("eph-run")
    output.read("eph-run")
    steps.listen(lambda _: None)
    assert shown == ["creating table", "with ***"]


@pytest.mark.parametrize(
    ("title", "step"),
    [
        ("service web", "Start web"),
        ("migrate main first", "Migrate main"),
        ("seed main", "Seed main"),
        ("database main", "Database main"),
        ("pre-create 1", "Hook pre-create 1"),
        ("deployment web", "Start deployment web"),
    ],
)
def test_workloads_are_steps_in_peoples_words(title: str, step: str) -> None:
    assert " ".join(job_output.step_of(title)) == step
