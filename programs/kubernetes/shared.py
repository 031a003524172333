"""A PostgreSQL server that environments share: one database and one role each, that the operator names in the settings.

Made and dropped from here, by its administrator, and not from the cluster: no preview ever sees who that is. What is
common to both targets (roles, clones, comments that say whose a database is) is ``programs.local.databases``.

Roles of one server can list the names of all databases. So a name says nothing of the environment, whose own name
would be half of its URL: both are made of a digest, and are found again by whoever knows the environment's name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.objects import Data
from programs.kubernetes.settings import Settings
from programs.local import databases, files, postgres
from programs.local.errors import LocalError
from programs.local.settings import Settings as LocalSettings
from programs.spec import DatabaseSpec

FILE = "postgres.url"
_SERVICE = re.compile(r"[a-z0-9-]+\.(?P<namespace>[a-z0-9-]+)\.svc(\.[a-z0-9.-]+)?")


def wanted(spec: DatabaseSpec, on: Settings) -> bool:
    """Whether it lives there and not in the namespace."""
    return spec.strategy == "template" or on.databases == "shared"


def remember(on: Settings) -> None:
    """A destroy has nothing but the state: the administrator's URL waits beside it, for us alone to read."""
    if on.postgres:
        path = on.root / FILE
        if not path.exists() or path.read_text() != on.postgres:
            files.write(path, on.postgres)


def server(root: str) -> LocalSettings:
    """As the modules of the local target know it."""
    try:
        url = (Path(root) / FILE).read_text()
    except FileNotFoundError:
        url = ""
    if not url:
        raise KubernetesError("the shared PostgreSQL server is not known; set kubernetes.postgres")
    return LocalSettings(root=Path(root), routes=Path(root), postgres=url)


def owner(environment: str) -> str:
    return hashlib.sha256(environment.encode()).hexdigest()[:16]


def name(environment: str, spec: DatabaseSpec) -> str:
    """What it is filled with counts: another source is another database."""
    seed = spec.seed.run if spec.seed else ""
    key = "\0".join([owner(environment), spec.name, spec.strategy, spec.source, seed, *spec.scripts])
    return f"eph_{owner(environment)}_{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def create(root: str, environment: str, database: str, source: str) -> str:
    """Gives the URL as this machine reaches the server."""
    try:
        return databases.create(server(root), owner(environment), database, source)
    except LocalError as error:
        raise KubernetesError(error.sentence, error.tail) from error


def drop(root: str, names: list[str]) -> None:
    try:
        databases.drop(server(root), names)
    except LocalError as error:
        raise KubernetesError(error.sentence, error.tail) from error


def exists(root: str, database: str) -> bool:
    return any(item.name == database and item.kind == "DATABASE" for item in _owned(root))


def _owned(root: str) -> list[databases.Owned]:
    try:
        return databases.owned(server(root))
    except LocalError as error:
        raise KubernetesError(error.sentence, error.tail) from error


def purge(on: Settings, environment: str) -> None:
    """Whatever no state knows of any more."""
    if on.postgres:
        remember(on)
        drop(str(on.root), sorted({item.name for item in every(on) if item.environment == owner(environment)}))


def every(on: Settings) -> list[databases.Owned]:
    if not on.postgres:
        return []
    remember(on)
    return _owned(str(on.root))


def address(on: Settings) -> tuple[str, int]:
    """Where pods reach it."""
    host, port = postgres.address(LocalSettings(root=on.root, routes=on.root, postgres=on.postgres))
    given, _, other = on.postgres_address.partition(":")
    return given or host, int(other) if other else port


def seen_by_pods(url: str, on: Settings) -> str:
    """The same URL with the address, and the way of encryption, that pods are told."""
    from psycopg import conninfo

    host, port = address(on)
    mode = conninfo.conninfo_to_dict(on.postgres).get("sslmode")
    before, _, rest = url.rpartition("@")
    return f"{before}@{host}:{port}/{rest.partition('/')[2]}" + (f"?sslmode={mode}" if mode else "")


def peers(on: Settings) -> list[Data]:
    """Whom a network policy lets pods call: a service of the cluster by its namespace, a host by its addresses."""
    host, _ = address(on)
    inside = _SERVICE.fullmatch(host)
    if inside:
        return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": inside["namespace"]}}}]
    return [{"ipBlock": {"cidr": cidr}} for cidr in sorted(set(_cidrs(host)))]


def _cidrs(host: str) -> Iterator[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise KubernetesError(
            f"the shared PostgreSQL server {host} has no address here: {error}; set kubernetes.postgres_address"
        ) from error
    for *_, there in found:
        yield str(ipaddress.ip_network(str(there[0]).partition("%")[0]))
