"""The output of a project's last run and of its build."""

from __future__ import annotations

from programs.kit import log_files
from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, refuse_times, require_service, with_service_prefix
from programs.targets.program import wording
from programs.targets.program.settings import ProgramHost

LOGS = ("build", "pulumi")


def read(host: ProgramHost, name: str, request: LogRequest) -> LogLines:
    refuse_times(request)
    require_service(request.service, set(LOGS), name)
    if request.previous:
        raise NoSuchLog(wording.NO_LOG)
    lines, positions = [], {}
    for log in LOGS:
        if request.service in (None, log):
            fresh, positions[log] = log_files.read(host.env(name) / "logs" / f"{log}.log", request, log)
            lines += [(log, redact(line)) for line in fresh]
    return LogLines(with_service_prefix(lines, multiple=request.service is None), positions)
