"""What all environments share: the supervisor, the address server, and what connects projects with the outside."""

from __future__ import annotations

from pathlib import Path

from programs.kit import address_server, record_environments
from programs.kit.processes.shared_server import SharedServer
from programs.targets.program import addresses, settings
from programs.targets.program.settings import ProgramHost


def ensure(host: ProgramHost) -> None:
    server = SharedServer(addresses.SERVER, "address server", Path(address_server.__file__), host.pages)
    record_environments.ensure_server(host, settings.run_host(host), host.url, server)
