"""What all environments share: the supervisor, the address server, and what connects projects with the outside."""

from __future__ import annotations

from pathlib import Path

from programs.kit import files, host_settings
from programs.kit.isolation import outbound
from programs.kit.processes import sandbox, shared_server, supervisor
from programs.kit.processes.shared_server import SharedServer
from programs.targets.program import address_server, addresses, settings
from programs.targets.program.settings import ProgramHost


def ensure(host: ProgramHost) -> None:
    """Starts what isn't running. Idempotent."""
    files.make_folder(host.root)
    files.make_folder(host.pages)
    host_settings.save(host)
    sandbox.kind(host)
    supervisor.ensure(host)
    supervisor.replace_missing_launchers(host)
    outbound.ensure(settings.run_host(host), host.url)
    server = SharedServer(addresses.SERVER, "address server", Path(address_server.__file__), host.pages)
    shared_server.ensure(host, server)
