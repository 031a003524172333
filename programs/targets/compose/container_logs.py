"""The output and state of an environment's containers, read from the engine each time.

Every line is requested with its timestamp, so lines of several services are in order and a follower gets what came
after the last one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from programs import runtime_info
from programs.redaction import Redactor, redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, ProcessInfo, RuntimeInfo
from programs.targets.compose import databases, labels, wording
from programs.targets.compose.engine import engine_client
from programs.targets.compose.engine.engine_client import Data, EngineClient
from programs.targets.compose.settings import ComposeHost

_STATES = {
    "running": "running",
    "restarting": "failing",
    "paused": "stopped",
    "removing": "ending",
    "dead": "ended",
    "created": "stopped",
}


def read_logs(host: ComposeHost, name: str, request: LogRequest) -> LogLines:
    with engine_client.connect(host) as client:
        found = {item["Labels"].get(labels.SERVICE, ""): item for item in client.containers(host, name)}
        runtime_info.require_service(request.service, set(found), name)
        if request.previous:
            raise NoSuchLog(wording.NO_PREVIOUS_LOG)
        wanted = [request.service] if request.service else sorted(found)
        positions = dict(request.since or {})
        lines: list[tuple[str, str, str]] = []
        for service in wanted:
            position = positions.get(service, runtime_info.first_position(request))
            fresh = [(at, service, text) for at, text in _lines(client, found[service], request, position)]
            positions[service] = fresh[-1][0] if fresh else position
            lines += fresh
    redactor = Redactor(databases.read_urls(host, name).values())
    ordered = [(service, redact(redactor(text))) for _, service, text in sorted(lines)]
    return LogLines(
        runtime_info.with_service_prefix(ordered, multiple=not request.service and len(found) > 1), positions
    )


def inspect(host: ComposeHost, name: str) -> RuntimeInfo:
    with engine_client.connect(host) as client:
        found = [_process(client.container(item["Id"]), item) for item in client.containers(host, name)]
    return RuntimeInfo(tuple(sorted(found, key=lambda item: item.name)))


def _lines(client: EngineClient, container: Data, request: LogRequest, position: str) -> Iterator[tuple[str, str]]:
    terminal = bool(client.container(container["Id"])["Config"].get("Tty"))
    since = str(math.floor(datetime.fromisoformat(position[:19] + "+00:00").timestamp())) if position else ""
    framed = client.log(container["Id"], lines=request.lines, since=since)
    return ((at, text) for at, text in engine_client.log_lines(framed, terminal) if at > position)


def _process(container: Data, listed: Data) -> ProcessInfo:
    state = container["State"]
    status = str(state.get("Status") or "")
    health = str((state.get("Health") or {}).get("Status") or "")
    code = int(state.get("ExitCode") or 0)
    shown = _STATES.get(status, "ended" if status == "exited" else "unknown")
    if status == "running" and health in ("starting", "unhealthy"):
        shown = "starting" if health == "starting" else "failing"
    detail = health if shown != "running" and health else (wording.exit_status(code) if status == "exited" else "")
    if state.get("OOMKilled"):
        shown, detail = "failing", wording.OUT_OF_MEMORY
    return ProcessInfo(
        name=str(container["Name"]).lstrip("/"),
        service=str(listed["Labels"].get(labels.SERVICE, "")),
        state=shown,
        detail=detail,
        restarts=int(container.get("RestartCount") or 0),
        since=_moment(str(state.get("StartedAt") or "")),
        image=str(container["Config"].get("Image") or ""),
    )


def _moment(text: str) -> datetime | None:
    if not text or text.startswith("0001"):
        return None
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
