"""The output of an environment's services and the state of its processes, as supervisord reports them.

A service's log continues across restarts, so there is no log of the previous process. A position is the number of bytes
read from a log; a log shorter than its position has been rotated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from programs import runtime_info
from programs.kit import log_files, log_times
from programs.kit.database import suspensions
from programs.kit.identifiers import ProgramName
from programs.kit.processes import program_files, supervisor, usage
from programs.redaction import Redactor, redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, ProcessInfo, RuntimeEvent
from programs.targets.local import cleanup, environment_servers, supervised_services, wording
from programs.targets.local.settings import LocalSettings

_STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "failing",
    "FATAL": "failing",
    "EXITED": "ended",
    "STOPPED": "stopped",
    "STOPPING": "ending",
}


def read_logs(settings: LocalSettings, name: str, request: LogRequest) -> LogLines:
    found = [item for item in cleanup.list_programs(settings) if item.environment == name]
    known = {item.service for item in found}
    runtime_info.require_service(request.service, known, name)
    if request.previous:
        raise NoSuchLog(wording.NO_PREVIOUS_LOG)
    lines, marks = [], {}
    for item in found:
        if request.service in (None, item.service):
            path = program_files.log(settings, str(item))
            begin = (
                {str(item): str(log_files.latest(path, log_times.position(path, request.after)))}
                if request.after
                else {}
            )
            asked = replace(request, since={**begin, **(request.since or {})}) if begin else request
            fresh, marks[str(item)] = log_files.read(path, asked, str(item))
            fresh = fresh[-request.lines :] if begin else fresh
            redactor = Redactor(_secret_values(settings, item))
            lines += [(item.service, redact(redactor(line))) for line in fresh]
    return LogLines(runtime_info.with_service_prefix(lines, multiple=request.service is None and len(known) > 1), marks)


def _secret_values(settings: LocalSettings, program: ProgramName) -> tuple[str, ...]:
    if cleanup.is_server(program):
        return environment_servers.secret_values(settings, program)
    return supervised_services.secret_values(settings, program)


def list_processes(settings: LocalSettings, name: str) -> Iterator[ProcessInfo]:
    """Raises OSError if supervisord doesn't respond."""
    for item in cleanup.list_programs(settings):
        if item.environment == name and (info := supervisor.running_info(settings, str(item))):
            yield _process_info(item.service, info)


def list_events(settings: LocalSettings, name: str) -> Iterator[RuntimeEvent]:
    for notice in suspensions.list_notices(settings, name):
        yield RuntimeEvent(datetime.fromtimestamp(notice.at, UTC), notice.database, notice.sentence, bad=True)


def _process_info(service: str, info: Mapping[str, Any]) -> ProcessInfo:
    state = _STATES.get(info["statename"], "unknown")
    since = info["stop"] if state in ("ended", "stopped", "failing") else info["start"]
    detail = str(info.get("spawnerr") or "")
    if state == "ended":
        detail = detail or wording.exit_status(info["exitstatus"])
    at = datetime.fromtimestamp(since, UTC) if since else None
    used = usage.of_tree(info["pid"]) if info["pid"] else None
    return ProcessInfo(
        str(info["pid"] or service),
        service,
        state,
        redact(detail),
        since=at,
        cpu_seconds=used.cpu_seconds if used else None,
        memory=used.memory if used else None,
    )
