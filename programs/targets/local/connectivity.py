"""What environments reach outside their domain, and the variables that say where."""

from __future__ import annotations

from urllib.parse import urlsplit

from programs.kit.database import postgres
from programs.kit.isolation import relay, servers
from programs.kit.isolation.relay import RelayConfig
from programs.kit.processes import sandbox
from programs.targets.local.settings import LocalSettings

DEFAULT_PORT = 5432
_LOCAL_NAMES = "localhost,127.0.0.1,::1,.localhost"


def ensure(settings: LocalSettings) -> None:
    """Starts what connects domains with the outside."""
    if sandbox.kind(settings) == "none":
        return
    allow = settings.egress_allow if settings.egress == "proxy" else None
    servers.ensure(
        settings,
        RelayConfig(
            folder=str(servers.folder(settings)),
            environments=str(settings.envs),
            routes=str(settings.routes),
            database=postgres.server_address(settings),
            database_port=_database_port(settings),
            own_port=_own_port(settings),
            egress_allow=allow,
        ),
    )


def inside_url(settings: LocalSettings, url: str) -> str:
    """A database's URL as it works in a domain. URLs in older states name the server's own address."""
    if sandbox.kind(settings) == "none":
        return url
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[0]
    # The connection ends at the relay on this machine, and drivers such as Go's lib/pq require TLS by default.
    return parts._replace(netloc=f"{account}@127.0.0.1:{_database_port(settings)}", query="sslmode=disable").geturl()


def proxy_variables(settings: LocalSettings) -> dict[str, str]:
    if sandbox.kind(settings) == "none" or settings.egress != "proxy":
        return {}
    proxy = f"http://127.0.0.1:{relay.PROXY_PORT}"
    both = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": _LOCAL_NAMES}
    return both | {name.upper(): value for name, value in both.items()}


def _database_port(settings: LocalSettings) -> int:
    """The embedded server's port is the same inside, so that URLs of earlier versions keep working."""
    return DEFAULT_PORT if settings.postgres else postgres.address(settings)[1]


def _own_port(settings: LocalSettings) -> int:
    parts = urlsplit(settings.url.replace("{host}", "host"))
    return parts.port or (443 if parts.scheme == "https" else 80)
