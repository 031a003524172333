"""What an environment's services print, and how its processes are, as supervisord knows them.

A service's log goes on over its restarts, so there is no log of the process before. Marks are how far each log was
read, in bytes; one that is shorter than its mark was begun anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from programs import insides
from programs.concealing import redact
from programs.insides import NoSuchLog, Process, Reading, Told
from programs.local import files, identifiers, rpc, supervision, traces
from programs.local.settings import Settings

MOST_BYTES = 256 * 1024
_STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "failing",
    "FATAL": "failing",
    "EXITED": "ended",
    "STOPPED": "stopped",
    "STOPPING": "ending",
}


def printed(settings: Settings, name: str, asked: Reading) -> Told:
    found = [item for item in traces.programs(settings) if item.environment == name]
    known = {item.service for item in found}
    insides.require(asked.service, known, name)
    if asked.previous:
        raise NoSuchLog("on this target a service's log goes on over its restarts; leave --previous out")
    lines, marks = [], {}
    for item in found:
        if asked.service in (None, item.service):
            path = supervision.log(settings, str(item))
            fresh, marks[str(item)] = _read(path, asked, str(item))
            lines += [(item.service, redact(line)) for line in fresh]
    return Told(insides.prefixed(lines, several=asked.service is None and len(known) > 1), marks)


def _read(path: Path, asked: Reading, key: str) -> tuple[list[str], str]:
    """Whole lines only: the rest of one comes with its end."""
    size = _size(path)
    if asked.since is None:
        return files.tail(path, asked.lines), str(size)
    start = int(asked.since.get(key, "0"))
    if start > size:
        start = 0
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(MOST_BYTES)
    except FileNotFoundError:
        return [], "0"
    whole = len(data) if len(data) == MOST_BYTES else data.rfind(b"\n") + 1
    return data[:whole].decode(errors="replace").splitlines(), str(start + whole)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def processes(settings: Settings, name: str) -> Iterator[Process]:
    """Raises OSError when supervisord does not answer."""
    for info in rpc.Daemon(supervision.socket_path(settings)).call("getAllProcessInfo"):
        found = identifiers.program(info["name"])
        if found and found.environment == name:
            yield _process(found.service, info)


def _process(service: str, info: Mapping[str, Any]) -> Process:
    state = _STATES.get(info["statename"], "unknown")
    since = info["stop"] if state in ("ended", "stopped", "failing") else info["start"]
    detail = str(info.get("spawnerr") or "")
    if state == "ended":
        detail = detail or f"exit status {info['exitstatus']}"
    at = datetime.fromtimestamp(since, UTC) if since else None
    return Process(str(info["pid"] or service), service, state, redact(detail), since=at)
