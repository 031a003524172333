"""A PostgreSQL server that environments share, named in the settings: one database and one role each.

Databases are created and dropped from here by the administrator, not from the cluster: previews never see the
administrator's credentials. What both targets have in common (roles, clones, comments that name a database's owner) is
in ``programs.kit.database.environment_databases``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from psycopg import conninfo

from programs.kit import files
from programs.kit.database import environment_databases, postgres
from programs.kit.database.hidden_names import database_name, environment_digest
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.spec import POSTGRESQL, DatabaseSpec
from programs.targets.kubernetes import wording
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.settings import KubernetesSettings

__all__ = ["database_name", "environment_digest"]

ADMIN_URL_FILE = "postgres.url"
_SERVICE_HOST = re.compile(r"[a-z0-9-]+\.(?P<namespace>[a-z0-9-]+)\.svc(\.[a-z0-9.-]+)?")


def is_shared(spec: DatabaseSpec, settings: KubernetesSettings) -> bool:
    """Whether it is on the shared server and not in the namespace."""
    return spec.engine == POSTGRESQL and (spec.strategy == "template" or settings.databases == "shared")


def save_admin_url(settings: KubernetesSettings) -> None:
    """Saves the administrator's URL next to the state, readable by us only, because a destroy has nothing but the
    state."""
    if settings.postgres:
        path = settings.root / ADMIN_URL_FILE
        if not path.exists() or path.read_text() != settings.postgres:
            files.write(path, settings.postgres)


def server_settings(root: str) -> HostSettings:
    """In the form that the kit's database modules expect."""
    try:
        url = (Path(root) / ADMIN_URL_FILE).read_text()
    except FileNotFoundError:
        url = ""
    if not url:
        raise KubernetesError(wording.POSTGRES_NOT_CONFIGURED)
    return HostSettings(root=Path(root), postgres=url)


def create(root: str, environment: str, database: str, source: str) -> str:
    """Returns the URL at which this machine reaches the database."""
    try:
        return environment_databases.create(server_settings(root), environment_digest(environment), database, source)
    except TargetError as error:
        raise KubernetesError(error.sentence, error.tail) from error


def drop(root: str, database_names: list[str]) -> None:
    try:
        environment_databases.drop(server_settings(root), database_names)
    except TargetError as error:
        raise KubernetesError(error.sentence, error.tail) from error


def exists(root: str, database: str) -> bool:
    return any(item.name == database and item.kind == "DATABASE" for item in _list_owned(root))


def _list_owned(root: str) -> list[environment_databases.OwnedObject]:
    try:
        return environment_databases.list_owned(server_settings(root))
    except TargetError as error:
        raise KubernetesError(error.sentence, error.tail) from error


def drop_all(settings: KubernetesSettings, environment: str) -> None:
    """Drops databases that no state knows any more."""
    if settings.postgres:
        save_admin_url(settings)
        drop(
            str(settings.root),
            sorted({item.name for item in list_owned(settings) if item.environment == environment_digest(environment)}),
        )


def list_owned(settings: KubernetesSettings) -> list[environment_databases.OwnedObject]:
    if not settings.postgres:
        return []
    save_admin_url(settings)
    return _list_owned(str(settings.root))


def address(settings: KubernetesSettings) -> tuple[str, int]:
    """The address at which pods reach the server."""
    host, port = postgres.address(HostSettings(root=settings.root, postgres=settings.postgres))
    given, _, other = settings.postgres_address.partition(":")
    return given or host, int(other) if other else port


def pod_url(url: str, settings: KubernetesSettings) -> str:
    """The same URL with the address and encryption mode for pods."""
    host, port = address(settings)
    parts = urlsplit(url)
    mode = conninfo.conninfo_to_dict(settings.postgres).get("sslmode")
    query = f"sslmode={mode}" if mode else parts.query
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{host}:{port}", query=query).geturl()


def network_peers(settings: KubernetesSettings) -> list[Data]:
    """The peers that a network policy lets pods reach: a cluster service by its namespace, a host by its addresses."""
    host, _ = address(settings)
    inside = _SERVICE_HOST.fullmatch(host)
    if inside:
        return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": inside["namespace"]}}}]
    return [{"ipBlock": {"cidr": cidr}} for cidr in sorted(set(_cidrs(host)))]


def _cidrs(host: str) -> Iterator[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise KubernetesError(wording.postgres_not_resolved(host, error)) from error
    for *_, address in found:
        yield str(ipaddress.ip_network(str(address[0]).partition("%")[0]))
