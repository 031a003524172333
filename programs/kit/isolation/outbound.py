"""The way out for commands in a domain: a relay with the HTTP proxy, and its variables."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from programs.kit import files
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import relay, servers
from programs.kit.isolation.relay import RelayConfig

_NO_DATABASE = ("127.0.0.1", 0)
_DATABASE_PORT = 5432
_LOCAL_NAMES = "localhost,127.0.0.1,::1,.localhost"


def ensure(
    host: HostSettings,
    url_template: str,
    *,
    elsewhere: bool = False,
    database: tuple[str, int] = _NO_DATABASE,
    database_port: int = _DATABASE_PORT,
    database_connections: int = 0,
) -> None:
    """Keeps the relay of these settings running. ``url_template`` is the URL of environments. ``elsewhere``: they don't
    run on this machine. ``database`` is the server's address, ``database_port`` its port inside domains, and
    ``database_connections`` how many it has for all of them (0: any number)."""
    files.make_folder(host.routes)
    parts = urlsplit(url_template.replace("{host}", "host"))
    config = RelayConfig(
        folder=str(servers.folder(host)),
        environments=str(host.envs),
        routes=str(host.routes),
        database=database,
        database_port=database_port,
        own_port=parts.port or (443 if parts.scheme == "https" else 80),
        egress_allow=host.egress_allow if host.egress == "proxy" else None,
        egress_proxy=host.egress_proxy,
        public_scheme=parts.scheme if elsewhere else "",
        database_connections=database_connections,
    )
    servers.ensure(host, config)


def proxy_variables(host: HostSettings, direct: Iterable[str] = ()) -> dict[str, str]:
    """What the common tools read to find the proxy. Empty if there is none. ``direct``: names that need no proxy."""
    if host.egress != "proxy":
        return {}
    proxy = f"http://127.0.0.1:{relay.PROXY_PORT}"
    both = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": ",".join([_LOCAL_NAMES, *direct])}
    return both | {name.upper(): value for name, value in both.items()}
