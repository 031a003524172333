"""What all environments share: the supervisor, the address server, and what connects projects with the outside."""

from __future__ import annotations

from programs.kit import address_pages, record_environments
from programs.targets.program import settings
from programs.targets.program.settings import ProgramHost


def ensure(host: ProgramHost) -> None:
    record_environments.ensure_server(host, settings.run_host(host), host.url, address_pages.server(host.pages))
