"""One HTTP server of Eph's for all environments of a target: a script and the folder that it reads."""

from __future__ import annotations

import hashlib
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files, waiting
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.processes import ports, program_files, sandbox, supervisor, wording
from programs.kit.processes.sandbox import LaunchSpec

START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SharedServer:
    """``script`` runs as ``python SCRIPT FOLDER PORT`` and uses the standard library only."""

    name: str
    title: str
    script: Path
    folder: Path


def upstream(host: HostSettings, name: str) -> str:
    return f"http://127.0.0.1:{ports.reserve(host, name)}"


def ensure(host: HostSettings, server: SharedServer) -> None:
    """Starts it unless it responds. A new version of the script replaces the old one."""
    note = f"{server.title} {hashlib.sha256(server.script.read_bytes()).hexdigest()[:16]}"
    with files.locked(host.root / f"{server.name}.lock"):
        port = ports.reserve(host, server.name)
        known = program_files.program_file(host, server.name).exists()
        if known and program_files.note(host, server.name) == note and _responds(port):
            return
        argv = (sys.executable, "-I", "-S", str(server.script), str(server.folder), str(port))
        launch = LaunchSpec(argv, sandbox.launcher_env(), "/", bounded=False)
        supervisor.add(host, program_files.SupervisedProgram(server.name, launch, note))
        if not waiting.wait_until(lambda: _responds(port), START_SECONDS, 0.02):
            log = files.tail(program_files.log(host, server.name), 20)
            raise TargetError(wording.server_not_started(server.title), log)


def _responds(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
