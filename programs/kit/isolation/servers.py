"""Keeps the broker, the relay and the disk guard of a root running, all under its supervisord."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

from programs.kit import files, waiting
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import broker, disk_guard, relay, sockets, wording
from programs.kit.isolation.relay import RelayConfig
from programs.kit.processes import program_files, sandbox, supervisor
from programs.kit.processes.sandbox import LaunchSpec

BROKER, RELAY, DISK_GUARD = "broker", "relay", "disk-guard"
READY_SECONDS = 20.0
RELAY_SECONDS = 15.0


def folder(settings: HostSettings) -> Path:
    return sockets.folder_beside(settings.routes)


def ensure(settings: HostSettings, config: RelayConfig) -> None:
    """Starts what doesn't respond, and restarts all if the configuration or the code has changed."""
    file = settings.root / "relay.json"
    config = replace(config, code=code_digest())
    unchanged = file.exists() and file.read_text() == config.to_json()
    if unchanged and _responds(settings, broker.SOCKET) and _responds(settings, relay.SOCKET):
        return
    with files.locked(settings.root / "relay.lock"):
        files.make_folder(folder(settings))
        if not unchanged or not _responds(settings, broker.SOCKET):
            words = [str(Path(broker.__file__)), str(folder(settings)), str(settings.envs)]
            _start(settings, BROKER, [sys.executable, "-I", "-S", *words], broker.SOCKET)
        if not unchanged or not _responds(settings, relay.SOCKET):
            files.write(file, config.to_json())
            _start(settings, RELAY, [sys.executable, "-I", "-m", relay.__name__, str(file)], relay.SOCKET)
        _start_disk_guard(settings)


def serve(settings: HostSettings, environment: str) -> None:
    """Returns once the relay's listeners in the environment's domain accept connections."""
    try:
        with _connect(settings, relay.SOCKET) as connection:
            connection.sendall(f"{environment}\n".encode())
            answer = connection.makefile().readline().strip()
    except OSError as error:
        answer = str(error)
    if answer != "ok":
        raise TargetError(wording.relay_failed(environment, answer))


@functools.cache
def code_digest() -> str:
    """The version of the code that these programs run."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _start(settings: HostSettings, name: str, argv: list[str], socket_name: str) -> None:
    launch = LaunchSpec(tuple(argv), sandbox.launcher_env(), "/", bounded=False)
    supervisor.add(settings, program_files.SupervisedProgram(name, launch, wording.SHARED_SERVER))
    if not waiting.wait_until(lambda: _responds(settings, socket_name), READY_SECONDS, 0.01):
        raise TargetError(wording.not_started(name), files.tail(program_files.log(settings, name), 20))


def _start_disk_guard(settings: HostSettings) -> None:
    """Nothing waits for it, because an environment fills no disk within seconds."""
    argv = (sys.executable, "-I", "-m", disk_guard.__name__, str(settings.root))
    launch = LaunchSpec(argv, sandbox.launcher_env(), "/", bounded=False)
    supervisor.add(settings, program_files.SupervisedProgram(DISK_GUARD, launch, wording.MEASURES_DISK))


def _responds(settings: HostSettings, socket_name: str) -> bool:
    try:
        _connect(settings, socket_name).close()
    except OSError:
        return False
    return True


def _connect(settings: HostSettings, socket_name: str) -> socket.socket:
    opened = os.open(folder(settings), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(RELAY_SECONDS)
        made.connect(f"/proc/self/fd/{opened}/{socket_name}")
    except BaseException:
        made.close()
        raise
    finally:
        with contextlib.suppress(OSError):
            os.close(opened)
    return made
