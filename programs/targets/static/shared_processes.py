"""What all environments share: the supervisor, the file server, and what connects builds with the outside."""

from __future__ import annotations

from pathlib import Path

from programs.kit import files, host_settings
from programs.kit.isolation import outbound
from programs.kit.processes import sandbox, shared_server, supervisor
from programs.kit.processes.shared_server import SharedServer
from programs.targets.static import file_server, settings
from programs.targets.static.settings import StaticHost

PROGRAM = "files"


def ensure(host: StaticHost) -> None:
    """Starts what isn't running. Idempotent."""
    files.make_folder(host.root)
    files.make_folder(host.served)
    host_settings.save(host)
    sandbox.kind(host)
    supervisor.ensure(host)
    supervisor.replace_missing_launchers(host)
    outbound.ensure(settings.build_host(host), host.url)
    shared_server.ensure(host, SharedServer(PROGRAM, "file server", Path(file_server.__file__), host.served))


def upstream(host: StaticHost) -> str:
    return shared_server.upstream(host, PROGRAM)
