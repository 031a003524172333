"""The output of a project's last run and of its build.

A position is the number of bytes read. A log that is shorter belongs to a newer run.
"""

from __future__ import annotations

from pathlib import Path

from programs.kit import files
from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, require_service, with_service_prefix
from programs.targets.program import wording
from programs.targets.program.settings import ProgramHost

LOGS = ("build", "pulumi")
MAX_BYTES = 256 * 1024


def read(host: ProgramHost, name: str, request: LogRequest) -> LogLines:
    require_service(request.service, set(LOGS), name)
    if request.previous:
        raise NoSuchLog(wording.NO_LOG)
    lines, positions = [], {}
    for log in LOGS:
        if request.service in (None, log):
            fresh, positions[log] = _read(host.env(name) / "logs" / f"{log}.log", request, log)
            lines += [(log, redact(line)) for line in fresh]
    return LogLines(with_service_prefix(lines, multiple=request.service is None), positions)


def _read(path: Path, request: LogRequest, key: str) -> tuple[list[str], str]:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return [], "0"
    if request.since is None:
        return files.tail(path, request.lines), str(size)
    start = int(request.since.get(key, "0"))
    start = 0 if start > size else start
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(MAX_BYTES)
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), str(start + len(whole))
