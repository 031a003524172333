"""A service of one generation: started under supervisord, and ready once it responds over HTTP.

A worker has no path to check, and is ready once it keeps running. One with a schedule is ready at once, because nothing
waits for its runs. A service fails after repeated exits or when its
deadline has passed. Its process is then stopped, and its last lines are in the error. The previous generation isn't
looked at here.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from programs import steps
from programs.kit import files, redirects
from programs.kit.cron import command as cron_command
from programs.kit.errors import TargetError
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import disk, servers, sockets
from programs.kit.isolation.sockets import LOOPBACK, Connect
from programs.kit.processes import program_files, sandbox, supervisor
from programs.kit.processes.sandbox import Workspace
from programs.kit.waiting import POLL_SECONDS, pause
from programs.redaction import Redactor
from programs.steps import StepName
from programs.targets.local import wording
from programs.targets.local.exit_counter import CHECK_INTERVAL, MAX_EXITS, ExitCounter
from programs.targets.local.settings import LocalSettings

PROBE_TIMEOUT = 5.0
CONNECT_INTERVAL = 0.003
"""Seconds between attempts while nothing listens yet: each costs a tenth of a millisecond, and a client may be waiting
for the service to wake."""
_REFUSED = "connection refused"
TAIL_LINES = 40
PROBE_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    program: ProgramName
    command: str
    port: int
    path: str
    deadline: int
    env: Mapping[str, str]
    isolated: bool = False
    """It listens in its environment's domain."""
    schedule: str = ""
    """When its command runs, if not all the time."""
    public: bool = True
    """Only a private service can be a worker."""
    origin: str = ""
    """Where people reach it, if it is public. Health checks name that host, as visits do. When it starts, it mustn't
    redirect people anywhere else."""
    secrets: tuple[str, ...] = ()
    """The variables whose values are redacted from its output."""


@dataclass(frozen=True, slots=True)
class _ProbeResult:
    """``outside``: it responded, but leads visitors to ``answer``, outside the environment."""

    ok: bool
    answer: str
    outside: bool = False


def start(settings: LocalSettings, workspace: Workspace, service: ServiceProcess) -> None:
    """Returns when the service responds."""
    disk.check(settings, service.program.environment)
    service = replace(service, isolated=workspace.domain is not None)
    try:
        with steps.step(StepName.START, service.program.service):
            supervisor.add(settings, _supervised(settings, workspace, service))
        _wait_until_ready(settings, service)
    except BaseException:
        stop(settings, [service.program])
        raise


def prepare(settings: LocalSettings, workspace: Workspace, service: ServiceProcess) -> None:
    """Makes it ready to be started on request, as if it had been put to sleep."""
    service = replace(service, isolated=workspace.domain is not None)
    supervisor.add_suspended(settings, _supervised(settings, workspace, service))


def _supervised(
    settings: LocalSettings, workspace: Workspace, service: ServiceProcess
) -> program_files.SupervisedProgram:
    command = service.command
    if service.schedule:
        command = cron_command.line(service.program.service, service.schedule, command)
        workspace = replace(workspace, programs=(*workspace.programs, *cron_command.shown()))
    launch = sandbox.sandboxed(settings, workspace, command, service.env)
    return program_files.SupervisedProgram(str(service.program), launch, _probe_note(service))


def _probe_note(service: ServiceProcess) -> str:
    """What a restart needs to know to check that the service responds, and what its output mustn't show."""
    return json.dumps({
        "port": service.port, "path": service.path, "deadline": service.deadline, "isolated": service.isolated,
        "schedule": service.schedule, "origin": service.origin, "secrets": service.secrets,
    })  # fmt: skip


def wait_after_restart(settings: LocalSettings, program: ProgramName) -> None:
    """After a restart, returns when the service responds, as ``start`` does."""
    try:
        note = json.loads(program_files.note(settings, str(program)))
        port, path, deadline = int(note["port"]), str(note["path"]), int(note["deadline"])
        isolated, schedule = note.get("isolated") is True, str(note.get("schedule") or "")
        origin = str(note.get("origin") or "")
    except (OSError, ValueError, KeyError, TypeError):
        return  # created by an earlier version without a note; ephd's own health checks will tell
    service = ServiceProcess(program, "", port, path, deadline, {}, isolated, schedule, origin=origin)
    _wait_until_ready(settings, service)


def stop(settings: LocalSettings, programs: list[ProgramName]) -> None:
    supervisor.remove(settings, [str(item) for item in programs])


def is_answering(settings: LocalSettings, program: ProgramName, port: int, path: str) -> bool:
    """Tries more than once: a running service must not be killed for one slow response. A worker doesn't respond."""
    if not path:
        return True
    isolated, origin = _isolated_and_origin(settings, program)
    service = ServiceProcess(program, "", port, path, 0, {}, isolated, origin=origin)
    with _probing(settings, service) as probe:
        return any(found.ok or found.outside for found in (probe() for _ in range(PROBE_ATTEMPTS)))


def _isolated_and_origin(settings: LocalSettings, program: ProgramName) -> tuple[bool, str]:
    try:
        note = json.loads(program_files.note(settings, str(program)))
        return note.get("isolated") is True, str(note.get("origin", ""))
    except (OSError, ValueError, AttributeError):
        return False, ""  # created by an earlier version


def secret_values(settings: LocalSettings, program: ProgramName) -> tuple[str, ...]:
    """The values to redact from its output, from its launch file."""
    try:
        names = json.loads(program_files.note(settings, str(program))).get("secrets", ())
        launch = json.loads(program_files.launch_file(settings, str(program)).read_text())
        variables = launch["env"] if launch["inside"] is None else launch["inside"]
        return tuple(variables[name] for name in names if name in variables)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()  # created by an earlier version, or just removed


def _wait_until_ready(settings: LocalSettings, service: ServiceProcess) -> None:
    if service.schedule:
        return
    wait = _wait_for_response if service.path else _wait_until_running
    with steps.step(StepName.HEALTH_CHECK, service.program.service) as output:
        try:
            wait(settings, service)
        except TargetError as error:
            # Kept with the step, because the service's own log doesn't outlive its next start for long.
            output.add([error.sentence, *error.tail])
            raise


def _wait_until_running(settings: LocalSettings, service: ServiceProcess) -> None:
    """supervisord says RUNNING only after some seconds without an exit."""
    began, exits = time.monotonic(), ExitCounter()
    while (seconds := time.monotonic() - began) < service.deadline:
        info = supervisor.info(settings, str(service.program))
        ended = exits.count(info)
        if info.get("statename") == "RUNNING":
            return
        if ended >= MAX_EXITS:
            raise _failed(settings, service, wording.ended_repeatedly(ended, seconds))
        pause(POLL_SECONDS)
    raise _failed(settings, service, wording.ended_too_soon(service.deadline))


def _wait_for_response(settings: LocalSettings, service: ServiceProcess) -> None:
    name = str(service.program)
    began = time.monotonic()
    looked, exits, answer = began, ExitCounter(), _REFUSED
    with _probing(settings, service) as probe:
        while time.monotonic() - began < service.deadline:
            found = probe()
            now, answer = time.monotonic(), found.answer
            if found.ok or found.outside or now - looked > CHECK_INTERVAL:
                looked = now
                info = supervisor.info(settings, name)
                ended = exits.count(info)
                own = _is_own_response(service, info, ended)
                if found.ok and own:
                    return
                if found.outside and own:
                    raise _failed(settings, service, wording.redirects_outside(service.path, answer))
                if ended >= MAX_EXITS:
                    raise _failed(settings, service, wording.ended_without_response(ended, now - began))
            pause(CONNECT_INTERVAL if answer == _REFUSED else POLL_SECONDS)
    if answer == _REFUSED:
        answer = wording.nothing_listens(service.port)
        answer = answer if service.public else wording.worker_needs_no_health(answer)
    raise _failed(settings, service, wording.no_response(service.path, service.deadline, answer))


def _is_own_response(service: ServiceProcess, info: Mapping[str, Any], ended: int) -> bool:
    """In its environment's domain, nothing else can respond, so it may have ended before and be running again. On this
    machine's ports, a response although it ended comes from another process."""
    return info.get("statename") in ("STARTING", "RUNNING") if service.isolated else not ended


def _failed(settings: LocalSettings, service: ServiceProcess, reason: str) -> TargetError:
    redactor = Redactor(secret_values(settings, service.program))
    tail = files.tail(program_files.log(settings, str(service.program)), TAIL_LINES)
    return TargetError(wording.service_failed(service.program.service, reason), map(redactor, tail))


@contextlib.contextmanager
def _probing(settings: LocalSettings, service: ServiceProcess) -> Iterator[Callable[[], _ProbeResult]]:
    """A function that checks the service once."""
    folder, environment = servers.folder(settings), service.program.environment
    with sockets.connecting(folder, environment, isolated=service.isolated) as connect:
        yield lambda: _probe(_ServiceConnection(service.port, connect), service)


class _ServiceConnection(http.client.HTTPConnection):
    def __init__(self, port: int, connect: Connect) -> None:
        super().__init__(LOOPBACK, port, timeout=PROBE_TIMEOUT)
        self._connect = connect

    def connect(self) -> None:
        self.sock = self._connect(self.port, PROBE_TIMEOUT)


def _probe(connection: _ServiceConnection, service: ServiceProcess) -> _ProbeResult:
    """A 2xx response or a redirect within the environment is ok. ephd's own health checks tell where that ends."""
    try:
        host = {"Host": urlsplit(service.origin).netloc} if service.origin else {}
        connection.request("GET", service.path, headers={"User-Agent": "eph-health", "Connection": "close", **host})
        response = connection.getresponse()
        status, location = response.status, response.headers.get("Location", "")
    except ConnectionRefusedError:
        return _ProbeResult(False, _REFUSED)
    except (OSError, http.client.HTTPException) as error:
        return _ProbeResult(False, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    is_redirect = 300 <= status < 400 and location and service.origin
    if is_redirect and (outside := redirects.leaves(service.origin, service.port, service.path, location)):
        return _ProbeResult(False, outside, outside=True)
    return _ProbeResult(200 <= status < 400, f"HTTP {status}")
