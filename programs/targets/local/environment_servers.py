"""Servers of an environment, such as its Redis: supervised like a service, but they outlive pushes, and keep their data
while the environment sleeps.

What a restart needs, the password included, is in the note of the program, which only Eph can read. So a server that is
started again has the same URL, and nothing that uses it has to be restarted.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from programs import steps
from programs.kit import files, identifiers, waiting
from programs.kit.errors import TargetError
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import disk, domains, servers, sockets, users
from programs.kit.isolation.sockets import Connect
from programs.kit.processes import ports, program_files, sandbox, supervisor
from programs.kit.processes.sandbox import Workspace
from programs.kit.server_engines import engines
from programs.kit.server_engines.port import ServerEngine, ServerSettings
from programs.redaction import Redactor
from programs.steps import StepName
from programs.targets.local import wording
from programs.targets.local.exit_counter import CHECK_INTERVAL, MAX_EXITS, ExitCounter
from programs.targets.local.settings import LocalSettings

PROBE_TIMEOUT = 5.0
PROBE_INTERVAL = 0.02
PROBE_ATTEMPTS = 2
TAIL_LINES = 40


@dataclass(frozen=True, slots=True)
class EnvironmentServer:
    """``name`` is the one in eph.yaml."""

    environment: str
    name: str
    engine: ServerEngine

    @property
    def program(self) -> ProgramName:
        return ProgramName(self.environment, self.name, self.engine.name)


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """``version`` changes with the password."""

    url: str = field(repr=False)
    version: str = ""
    port: int = 0
    web_port: int = 0


@dataclass(frozen=True, slots=True)
class _ServerNote:
    """``isolated``: it listens in its environment's domain."""

    settings: ServerSettings
    isolated: bool


def find(environment: str, name: str, engine: str) -> EnvironmentServer:
    identifiers.check_label(environment, "environment")
    return EnvironmentServer(environment, identifiers.check_label(name, "database"), engines.get(engine))


def start(settings: LocalSettings, server: EnvironmentServer) -> ServerAccess:
    """Returns when it is ready, with its data if it has any. Replaces a process that runs already."""
    program = _executable(server.engine)
    disk.check(settings, server.environment)
    wanted = _wanted(settings, server)
    with steps.step(StepName.DATABASE, server.name):
        try:
            supervisor.add(settings, _supervised(settings, server, program, wanted))
            _wait_until_ready(settings, server, wanted)
        except BaseException:
            supervisor.remove(settings, [str(server.program)])
            raise
    return _access(server, wanted)


def ensure(settings: LocalSettings, server: EnvironmentServer) -> ServerAccess:
    """As ``start``, but leaves it running if it runs with the current settings."""
    note = _note(settings, server)
    if note is None or note != _wanted(settings, server):
        return start(settings, server)
    supervisor.resume(settings, [str(server.program)])
    _wait_until_ready(settings, server, note)
    return _access(server, note)


def remove(settings: LocalSettings, server: EnvironmentServer) -> None:
    """With its data."""
    supervisor.remove(settings, [str(server.program)])
    ports.release(settings, {str(server.program), _web_page(server)})
    files.remove(_folder(settings, server))


def answers(settings: LocalSettings, server: EnvironmentServer) -> bool:
    """Tries more than once: a server that is busy must not be restarted for one slow response."""
    note = _note(settings, server)
    if note is None:
        return False
    with _connecting(settings, server, note) as connect:
        return any(_probe(connect, server.engine, note.settings) for _ in range(PROBE_ATTEMPTS))


def wait_after_restart(settings: LocalSettings, program: ProgramName) -> None:
    """Returns when the server is ready."""
    server = find(program.environment, program.service, program.generation)
    note = _note(settings, server)
    if note is not None:
        _wait_until_ready(settings, server, note)


def secret_values(settings: LocalSettings, program: ProgramName) -> tuple[str, ...]:
    """The values to redact from its output."""
    note = _note(settings, find(program.environment, program.service, program.generation))
    return (note.settings.password,) if note else ()


def _executable(engine: ServerEngine) -> str:
    program = engine.find_program()
    if program is None:
        raise TargetError(wording.engine_missing(engine.title, engine.program, engine.package))
    return program


def _wanted(settings: LocalSettings, server: EnvironmentServer) -> _ServerNote:
    """The password stays the same as long as there is a program."""
    known = _note(settings, server)
    return _ServerNote(
        ServerSettings(
            name=server.name,
            folder=str(_folder(settings, server)),
            port=ports.reserve(settings, str(server.program)),
            memory_bytes=settings.server_memory_bytes,
            web_port=ports.reserve(settings, _web_page(server)) if server.engine.has_web_page else 0,
            password=known.settings.password if known else secrets.token_urlsafe(24),
        ),
        isolated=sandbox.kind(settings) != "none",
    )


def _supervised(
    settings: LocalSettings, server: EnvironmentServer, program: str, wanted: _ServerNote
) -> program_files.SupervisedProgram:
    folder, home = files.make_folder(_folder(settings, server)), settings.env(server.environment) / "home"
    domain = None
    if wanted.isolated:
        domain = domains.ensure(settings, server.environment)
        user = users.reserve(settings, server.environment)
        if folder.stat().st_uid != user:
            users.give(folder, user)
    command = server.engine.command(program, wanted.settings)
    workspace = Workspace(folder, home, domain=domain, programs=server.engine.shown)
    launch = sandbox.sandboxed(settings, workspace, command.script, command.env)
    return program_files.SupervisedProgram(str(server.program), launch, json.dumps(asdict(wanted)))


def _web_page(server: EnvironmentServer) -> str:
    """The owner of its second port. Names in eph.yaml contain no double dash."""
    return str(ProgramName(server.environment, f"{server.name}--web", server.engine.name))


def _folder(settings: LocalSettings, server: EnvironmentServer) -> Path:
    """A folder for each engine, because none can read another's data."""
    return settings.env(server.environment) / "servers" / f"{server.name}.{server.engine.name}"


def _note(settings: LocalSettings, server: EnvironmentServer) -> _ServerNote | None:
    try:
        data = json.loads(program_files.note(settings, str(server.program)))
        return _ServerNote(ServerSettings(**data["settings"]), data["isolated"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _access(server: EnvironmentServer, note: _ServerNote) -> ServerAccess:
    version = hashlib.sha256(note.settings.password.encode()).hexdigest()[:12]
    return ServerAccess(server.engine.url(note.settings), version, note.settings.port, note.settings.web_port)


def _wait_until_ready(settings: LocalSettings, server: EnvironmentServer, note: _ServerNote) -> None:
    title, name, seconds = server.engine.title, str(server.program), server.engine.start_seconds
    looked = began = time.monotonic()
    exits = ExitCounter()
    with _connecting(settings, server, note) as connect:
        while not _probe(connect, server.engine, note.settings):
            now = time.monotonic()
            took = now - began
            if now - looked > CHECK_INTERVAL:
                looked = now
                ended = exits.count(supervisor.info(settings, name))
                if ended >= MAX_EXITS:
                    raise _failed(settings, server, wording.engine_keeps_ending(title, server.name, ended, took))
            if took > seconds:
                raise _failed(settings, server, wording.engine_not_ready(title, server.name, seconds))
            waiting.pause(PROBE_INTERVAL)


def _failed(settings: LocalSettings, server: EnvironmentServer, reason: str) -> TargetError:
    redactor = Redactor(secret_values(settings, server.program))
    tail = files.tail(program_files.log(settings, str(server.program)), TAIL_LINES)
    return TargetError(reason, map(redactor, tail))


def _probe(connect: Connect, engine: ServerEngine, server: ServerSettings) -> bool:
    try:
        with connect(server.port, PROBE_TIMEOUT) as connection:
            return engine.answers(connection, server)
    except OSError:
        return False


def _connecting(
    settings: LocalSettings, server: EnvironmentServer, note: _ServerNote
) -> AbstractContextManager[Connect]:
    return sockets.connecting(servers.folder(settings), server.environment, isolated=note.isolated)
