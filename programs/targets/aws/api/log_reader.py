"""The output of services, from CloudWatch Logs. A position is the time of the last event of a stream."""

from __future__ import annotations

from typing import Any

from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, require_service, with_service_prefix
from programs.targets.aws import names
from programs.targets.aws.api.clients import AwsClients, missing_ignored

_MAX_STREAMS = 50


def read(clients: AwsClients, environment: str, request: LogRequest) -> LogLines:
    """Lines of all streams in order. Streams are named ``<service>/<service>/<task>``."""
    group = names.log_group(clients.settings.server, environment)
    streams = _streams(clients, group)
    services = {name.split("/")[0] for name in streams}
    require_service(request.service, services, environment)
    wanted = [name for name in streams if request.service in (None, name.split("/")[0])]
    wanted = _of_task(wanted, previous=request.previous)
    since = dict(request.since or {})
    if request.after is not None:
        since = {name: str(int(request.after.timestamp() * 1000)) for name in wanted} | since
    events = [(event, name) for name in wanted for event in _events(clients, group, name, since.get(name), request)]
    events.sort(key=lambda item: item[0]["timestamp"])
    for event, name in events:
        since[name] = str(event["timestamp"] + 1)
    lines = [(name.split("/")[0], redact(event["message"])) for event, name in events[-request.lines :]]
    return LogLines(with_service_prefix(lines, multiple=len(services) > 1), since)


def _streams(clients: AwsClients, group: str) -> list[str]:
    """Newest first."""
    found: list[dict[str, Any]] = []
    with missing_ignored("logs DescribeLogStreams"):
        found = clients.client("logs").describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=_MAX_STREAMS
        )["logStreams"]
    return [str(item["logStreamName"]) for item in found]


def _of_task(streams: list[str], *, previous: bool) -> list[str]:
    """The newest stream of each service, or the one before it."""
    by_service: dict[str, list[str]] = {}
    for name in streams:
        by_service.setdefault(name.split("/")[0], []).append(name)
    index = 1 if previous else 0
    return [names_[index] for names_ in by_service.values() if len(names_) > index]


def _events(
    clients: AwsClients, group: str, stream: str, since: str | None, request: LogRequest
) -> list[dict[str, Any]]:
    start = {"startTime": int(since)} if since else {}
    events: list[dict[str, Any]] = []
    with missing_ignored("logs GetLogEvents"):
        found = clients.client("logs").get_log_events(
            logGroupName=group, logStreamName=stream, limit=request.lines, startFromHead=bool(since), **start
        )
        events.extend(found["events"])
    return events
