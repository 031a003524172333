"""One-off Fargate tasks: hooks, seeds and migrations. A failure carries the last lines of the task's log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from programs.kit import waiting
from programs.targets.aws.api import wording
from programs.targets.aws.api.clients import AwsClients, missing_ignored, translated
from programs.targets.aws.errors import AwsError

POLL_SECONDS = 2.0
APPEAR_SECONDS = 60.0
"""ECS may take a moment before it describes a task that it has just started."""
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class TaskRequest:
    title: str
    cluster: str
    definition: str
    subnets: tuple[str, ...]
    security_group: str
    log_group: str
    timeout: float


def run(clients: AwsClients, request: TaskRequest, poll_seconds: float = POLL_SECONDS) -> None:
    """Returns when the task has succeeded. Raises with its output if it fails, can't start or takes too long."""
    arn = _start(clients, request)
    waiting.wait_until(lambda: bool(_find(clients, request, arn)), APPEAR_SECONDS, poll_seconds, clients.clock)
    if not waiting.wait_until(
        lambda: _read(clients, request, arn)["lastStatus"] == "STOPPED", request.timeout, poll_seconds, clients.clock
    ):
        with missing_ignored(wording.stopping_task(request.title)):
            clients.client("ecs").stop_task(cluster=request.cluster, task=arn, reason="timeout")
        raise AwsError(wording.task_timed_out(request.title, request.timeout), _tail(clients, request, arn))
    task = _read(clients, request, arn)
    code = task["containers"][0].get("exitCode")
    if code != 0:
        reason = wording.exit_status(code) if code is not None else task.get("stoppedReason", wording.NEVER_STARTED)
        raise AwsError(wording.task_failed(request.title, reason), _tail(clients, request, arn))


def _start(clients: AwsClients, request: TaskRequest) -> str:
    network = {
        "subnets": list(request.subnets),
        "securityGroups": [request.security_group],
        "assignPublicIp": "ENABLED",
    }
    with translated(wording.starting_task(request.title)):
        started = clients.client("ecs").run_task(
            cluster=request.cluster,
            taskDefinition=request.definition,
            launchType="FARGATE",
            propagateTags="TASK_DEFINITION",
            networkConfiguration={"awsvpcConfiguration": network},
        )
    if started["failures"]:
        reason = started["failures"][0].get("reason", "unknown")
        raise AwsError(wording.task_cannot_start(request.title, reason))
    return str(started["tasks"][0]["taskArn"])


def _read(clients: AwsClients, request: TaskRequest, arn: str) -> dict[str, Any]:
    tasks = _find(clients, request, arn)
    if not tasks:
        raise AwsError(wording.task_gone(request.title))
    return tasks[0]


def _find(clients: AwsClients, request: TaskRequest, arn: str) -> list[dict[str, Any]]:
    with translated(wording.reading_task(request.title)):
        return list(clients.client("ecs").describe_tasks(cluster=request.cluster, tasks=[arn])["tasks"])


def _tail(clients: AwsClients, request: TaskRequest, arn: str) -> list[str]:
    stream = f"run/run/{arn.rsplit('/', 1)[1]}"
    lines: list[str] = []
    with missing_ignored(wording.reading_task_log(request.title)):
        found = clients.client("logs").get_log_events(
            logGroupName=request.log_group, logStreamName=stream, limit=TAIL_LINES
        )
        lines.extend(event["message"] for event in found["events"])
    return lines
