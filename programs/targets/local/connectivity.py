"""What environments reach outside their domain, and the variables that say where."""

from __future__ import annotations

from urllib.parse import urlsplit

from programs.kit.database import postgres
from programs.kit.isolation import outbound
from programs.kit.processes import sandbox
from programs.targets.local.settings import LocalSettings

DEFAULT_PORT = 5432


def ensure(settings: LocalSettings) -> None:
    """Starts what connects domains with the outside."""
    if sandbox.kind(settings) == "none":
        return
    server = postgres.server_address(settings)
    outbound.ensure(
        settings,
        settings.url,
        database=server,
        database_port=_database_port(settings),
        database_connections=0 if settings.postgres else postgres.ENVIRONMENT_SESSIONS,
    )


def inside_url(settings: LocalSettings, url: str) -> str:
    """A database's URL as environments use it. Those in older states have no sslmode."""
    parts = urlsplit(url)
    if not settings.postgres:
        parts = parts._replace(query="sslmode=disable")
    if sandbox.kind(settings) != "none":
        account = parts.netloc.rpartition("@")[0]
        parts = parts._replace(netloc=f"{account}@{postgres.LOOPBACK}:{_database_port(settings)}")
    return parts.geturl()


def proxy_variables(settings: LocalSettings) -> dict[str, str]:
    return {} if sandbox.kind(settings) == "none" else outbound.proxy_variables(settings)


def _database_port(settings: LocalSettings) -> int:
    """The embedded server's port is the same inside, so that URLs of earlier versions keep working."""
    return DEFAULT_PORT if settings.postgres else postgres.address(settings)[1]
