"""What all environments share: the supervisor, the file server, and what connects builds with the outside."""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from programs.kit import files, host_settings, waiting
from programs.kit.errors import TargetError
from programs.kit.isolation import relay, servers
from programs.kit.isolation.relay import RelayConfig
from programs.kit.processes import ports, program_files, sandbox, supervisor
from programs.kit.processes.sandbox import LaunchSpec
from programs.targets.static import file_server, settings
from programs.targets.static.settings import StaticHost

PROGRAM = "files"
START_SECONDS = 20.0
_NO_DATABASE = ("127.0.0.1", 0)
_DATABASE_PORT = 5432
_LOCAL_NAMES = "localhost,127.0.0.1,::1,.localhost"


def ensure(host: StaticHost) -> None:
    """Starts what isn't running. Idempotent."""
    files.make_folder(host.root)
    files.make_folder(host.served)
    host_settings.save(host)
    sandbox.kind(host)
    supervisor.ensure(host)
    supervisor.replace_missing_launchers(host)
    _ensure_relay(settings.build_host(host))
    _ensure_file_server(host)


def upstream(host: StaticHost) -> str:
    return f"http://127.0.0.1:{ports.reserve(host, PROGRAM)}"


def proxy_variables(host: StaticHost) -> dict[str, str]:
    if host.egress != "proxy":
        return {}
    proxy = f"http://127.0.0.1:{relay.PROXY_PORT}"
    both = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": _LOCAL_NAMES}
    return both | {name.upper(): value for name, value in both.items()}


def _ensure_relay(host: StaticHost) -> None:
    files.make_folder(host.routes)
    parts = urlsplit(host.url.replace("{host}", "host"))
    config = RelayConfig(
        folder=str(servers.folder(host)),
        environments=str(host.envs),
        routes=str(host.routes),
        database=_NO_DATABASE,
        database_port=_DATABASE_PORT,
        own_port=parts.port or (443 if parts.scheme == "https" else 80),
        egress_allow=host.egress_allow if host.egress == "proxy" else None,
    )
    servers.ensure(host, config)


def _ensure_file_server(host: StaticHost) -> None:
    script = Path(file_server.__file__)
    note = f"file server {hashlib.sha256(script.read_bytes()).hexdigest()[:16]}"
    with files.locked(host.root / "files.lock"):
        port = ports.reserve(host, PROGRAM)
        current = program_files.program_file(host, PROGRAM).exists() and program_files.note(host, PROGRAM) == note
        if current and _responds(port):
            return
        argv = (sys.executable, "-I", "-S", str(script), str(host.served), str(port))
        launch = LaunchSpec(argv, sandbox.launcher_env(), "/", bounded=False)
        supervisor.add(host, program_files.SupervisedProgram(PROGRAM, launch, note))
        if not waiting.wait_until(lambda: _responds(port), START_SECONDS, 0.02):
            raise TargetError("The file server didn't start", files.tail(program_files.log(host, PROGRAM), 20))


def _responds(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
