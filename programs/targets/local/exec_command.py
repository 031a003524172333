"""The command line that runs a person's command where a service runs: same sandbox, domain, limits and variables.

All of that is in the service's own launch file, which exists as long as the service does, whether or not it is running.
PostgreSQL's programs are on the command's PATH.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from programs.exec_requests import ExecRequest, ExecUnavailable, psql_command
from programs.kit import files, identifiers, routes
from programs.kit.database import binaries
from programs.kit.identifiers import ProgramName
from programs.kit.processes import program_files, sandbox
from programs.targets.local import cleanup, wording
from programs.targets.local.settings import LocalSettings

_SHELL_WORDS = 3
"""A service's command line ends in a shell, its option, and the repository's command."""
_RUN = ("/bin/sh", "-c", 'exec "$@"', "sh")
"""Finds the program on the sandbox's PATH."""
_RUN_IN_TERMINAL = (*_RUN[:2], 'command -v setsid >/dev/null && exec setsid --ctty --wait "$@"; exec "$@"', "sh")
"""In a session of its own, so that Ctrl-C reaches the command and not the sandbox around it. Without ``setsid``, the
command has no job control."""


def command_line(settings: LocalSettings, name: str, request: ExecRequest) -> tuple[str, ...]:
    program = _find_program(settings, identifiers.check_label(name, "environment"), request.service)
    try:
        launch = json.loads(program_files.launch_file(settings, str(program)).read_text())
    except FileNotFoundError:
        raise ExecUnavailable(wording.just_replaced(program.service)) from None
    variables = launch["env"] if launch["inside"] is None else launch["inside"]
    variables["PATH"] = ":".join([variables["PATH"], *_postgres_programs()])
    run, command = _RUN, psql_command(request) if request.database else request.command
    if request.terminal:
        run, variables["TERM"] = _RUN_IN_TERMINAL, request.terminal.kind
    launch |= {"argv": [*launch["argv"][:-_SHELL_WORDS], *run, *command], "parent": "", "once": True}
    path = settings.env(name) / "run" / f"exec-{uuid.uuid4().hex}.json"
    files.write(path, json.dumps(launch))
    return tuple(sandbox.launch_command(path))


def _find_program(settings: LocalSettings, name: str, service: str) -> ProgramName:
    found = [item for item in cleanup.list_programs(settings) if item.environment == name]
    known = sorted({item.service for item in found})
    if not known:
        raise ExecUnavailable(wording.nothing_runs(name))
    if service and service not in known:
        raise ExecUnavailable(wording.no_such_service(name, service, ", ".join(known)))
    public = {route.service for route in routes.list_routes(settings.routes) if route.environment == name}
    wanted = service or next((item for item in known if item in public), known[0])
    generations = [item for item in found if item.service == wanted]
    # During an update there are two. The older one is live.
    return min(generations, key=lambda item: _age(program_files.launch_file(settings, str(item))))


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _postgres_programs() -> list[str]:
    folder = binaries.binaries_folder()
    return [str(folder)] if folder else []
