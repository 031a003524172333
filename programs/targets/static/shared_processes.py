"""What all environments share: the supervisor, the file server, and what connects builds with the outside."""

from __future__ import annotations

from pathlib import Path

from programs.kit import record_environments
from programs.kit.processes import shared_server
from programs.kit.processes.shared_server import SharedServer
from programs.targets.static import file_server, settings
from programs.targets.static.settings import StaticHost

PROGRAM = "files"


def ensure(host: StaticHost) -> None:
    server = SharedServer(PROGRAM, "file server", Path(file_server.__file__), host.served)
    record_environments.ensure_server(host, settings.build_host(host), host.url, server)


def upstream(host: StaticHost) -> str:
    return shared_server.upstream(host, PROGRAM)
