"""Databases in the place of services (``compose.replace``): one database and one role each, on a PostgreSQL server that
all environments share. They can be cloned from a prepared database, which takes seconds for a gigabyte.

The service doesn't run. Its name leads the other services to the server, and each variable of eph.yaml has the URL. SQL
scripts run through psql in a container of the replaced service's image, as the environment's own role: a script can
make psql run a shell.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import shlex
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from programs.kit import files
from programs.kit.database import environment_databases, postgres
from programs.kit.database.environment_databases import OwnedObject
from programs.kit.database.hidden_names import environment_digest
from programs.kit.errors import CommitFailed, TargetError
from programs.targets.compose import labels, resource_limits, wording
from programs.targets.compose.engine.engine_client import EngineClient
from programs.targets.compose.files import repository_files
from programs.targets.compose.files.repository_files import CopiedFile
from programs.targets.compose.publication import Publication, ReplacedService
from programs.targets.compose.settings import ComposeHost

SEED_SECONDS = 600.0
SEED_FOLDER = "/eph-seed"
SEED_PIDS = 64


@dataclass(frozen=True, slots=True)
class ReplacementSeed:
    """``wanted`` has the URLs in its variables. ``images`` of replaced services contain psql; ``network`` is one of the
    environment's on the engine."""

    client: EngineClient
    wanted: Publication
    checkout: Path
    images: Mapping[str, str]
    network: str


def ensure(host: ComposeHost, wanted: Publication) -> Publication:
    """Creates what is missing. Returns the publication with each database's URL in its variable."""
    if not wanted.databases:
        return wanted
    if not host.postgres:
        raise TargetError(wording.NO_POSTGRES)
    address = container_address(host)
    known, exist = read_urls(host, wanted.name), _names(list_owned(host, wanted.name))
    found = {}
    for item in wanted.databases:
        if item.database not in exist or item.database not in known:
            source = _source(host, item)
            owner = environment_digest(wanted.name)
            known[item.database] = environment_databases.create(host, owner, item.database, source)
            files.write(_file(host, wanted.name), json.dumps(known))
        found[item.variable] = _with_address(known[item.database], address)
    return dataclasses.replace(
        wanted, variables={**wanted.variables, **found}, secrets=tuple(dict.fromkeys([*wanted.secrets, *found]))
    )


def without_replaced(host: ComposeHost, project: Mapping[str, Any], replaced: Iterable[ReplacedService]) -> Any:
    """The project without these services; the others find the server at their names."""
    services = {item.service: project["services"].get(item.service) for item in replaced}
    missing = [name for name, service in services.items() if service is None]
    if missing:
        raise CommitFailed(wording.no_replaced_service(missing[0], sorted(project["services"])))
    if not services:
        return project
    hosts = {alias for name, service in services.items() for alias in (name, *_aliases(service or {}))}
    address, _ = container_address(host)
    entries = [f"{name}={address}" for name in sorted(hosts)]
    kept = {
        name: _without(service, services.keys(), entries)
        for name, service in project["services"].items()
        if name not in services
    }
    return {**project, "services": kept}


def seed(host: ComposeHost, run: ReplacementSeed) -> None:
    """Once for each database. An interrupted seed starts again on an empty one."""
    owner = environment_digest(run.wanted.name)
    for item in run.wanted.databases:
        reached = environment_databases.seed_state(host, item.database) if item.scripts else ""
        if not item.scripts or reached == environment_databases.SEEDED:
            continue
        if reached == environment_databases.SEEDING:
            environment_databases.recreate(host, owner, item.database)
        environment_databases.set_seed_state(host, owner, item.database, environment_databases.SEEDING)
        _run_scripts(host, run, item)
        environment_databases.set_seed_state(host, owner, item.database, environment_databases.SEEDED)


def drop_unused(host: ComposeHost, wanted: Publication) -> None:
    """Those of earlier commits."""
    used = {item.database for item in wanted.databases}
    _drop(host, wanted.name, _names(list_owned(host, wanted.name)) - used)


def drop_all(host: ComposeHost, name: str) -> None:
    """Found on the server, by the environment's name."""
    _drop(host, name, _names(list_owned(host, name)))


def list_owned(host: ComposeHost, name: str = "") -> list[OwnedObject]:
    """Databases and roles of that environment, or of all."""
    if not host.postgres:
        return []
    found = environment_databases.list_owned(host)
    return [item for item in found if not name or item.environment == environment_digest(name)]


def container_address(host: ComposeHost) -> tuple[str, int]:
    """The IP address and port at which containers reach the server."""
    own, port = postgres.address(host)
    given, _, other = host.postgres_address.partition(":")
    place = given or own
    if place.startswith("/"):
        raise TargetError(wording.unreachable_for_containers(place))
    try:
        address = str(socket.getaddrinfo(place, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise TargetError(wording.address_not_found(place, error)) from error
    if ipaddress.ip_address(address).is_loopback:
        raise TargetError(wording.unreachable_for_containers(place))
    return address, int(other) if other else port


def urls(host: ComposeHost, wanted: Publication) -> dict[str, str]:
    """By the database's name in eph.yaml, as containers reach them."""
    if not wanted.databases:
        return {}
    known, address = read_urls(host, wanted.name), container_address(host)
    return {item.title: _with_address(known[item.database], address) for item in wanted.databases}


def _run_scripts(host: ComposeHost, run: ReplacementSeed, item: ReplacedService) -> None:
    words = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    words += [word for index in range(len(item.scripts)) for word in ("-f", f"{SEED_FOLDER}/{index}.sql")]
    # The URL is an argument of psql inside the container only; outside, it is a variable.
    command = f'exec {shlex.join(words)} -d "$PGDATABASE"'
    memory = resource_limits.total(host, run.wanted.resources)[0]
    body = {
        "Image": run.images[item.service],
        "Entrypoint": ["/bin/sh", "-c", command],
        "Cmd": [],
        "User": "65534:65534",
        "Env": [f"PGDATABASE={run.wanted.variables[item.variable]}", "PGCONNECT_TIMEOUT=10", "HOME=/tmp"],
        "Labels": labels.labels(host, run.wanted.name),
        "HostConfig": {
            "NetworkMode": run.network,
            "Memory": memory,
            "MemorySwap": memory,
            "PidsLimit": SEED_PIDS,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
        },
    }
    code, lines = run.client.run_to_end(body, _archive(run.checkout, item), SEED_SECONDS)
    if code is None:
        raise TargetError(wording.seed_too_slow(item.title, SEED_SECONDS), lines)
    if code:
        raise CommitFailed(wording.seed_failed(item.title, code), lines)


def _archive(checkout: Path, item: ReplacedService) -> bytes:
    contents = [repository_files.read_file(_script(checkout, path), path) for path in item.scripts]
    copied = [CopiedFile(f"{SEED_FOLDER}/{index}.sql", text, 0o444) for index, text in enumerate(contents)]
    return repository_files.pack_files(copied, (0, 0))


def _script(checkout: Path, path: str) -> Path:
    """A link to a file outside the checkout leads nowhere."""
    place = (checkout / path).resolve()
    return place if place.is_relative_to(checkout.resolve()) else checkout / ".git" / "no-such-file"


def _without(service: Mapping[str, Any], gone: Iterable[str], entries: list[str]) -> dict[str, Any]:
    names = set(gone)
    waits = {other: item for other, item in (service.get("depends_on") or {}).items() if other not in names}
    links = [link for link in service.get("links") or () if str(link).partition(":")[0] not in names]
    found = {**service, "depends_on": waits, "links": links}
    if not service.get("network_mode"):
        found["extra_hosts"] = [*(service.get("extra_hosts") or ()), *entries]
    return found


def _aliases(service: Mapping[str, Any]) -> list[str]:
    options = (service.get("networks") or {}).values()
    return [str(alias) for item in options for alias in (item or {}).get("aliases") or ()]


def _source(host: ComposeHost, item: ReplacedService) -> str:
    if not item.source:
        return ""
    found = host.template_databases.get(item.source)
    if found is None:
        raise TargetError(wording.no_template(item.source))
    return found


def _with_address(url: str, address: tuple[str, int]) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{address[0]}:{address[1]}").geturl()


def _drop(host: ComposeHost, name: str, names: set[str]) -> None:
    if names:
        environment_databases.drop(host, sorted(names))
        known = {key: url for key, url in read_urls(host, name).items() if key not in names}
        if _file(host, name).exists():
            files.write(_file(host, name), json.dumps(known))


def _names(found: Iterable[OwnedObject]) -> set[str]:
    return {item.name for item in found}


def _file(host: ComposeHost, name: str) -> Path:
    return host.env(name) / "databases.json"


def read_urls(host: ComposeHost, name: str) -> dict[str, str]:
    """The URLs of the environment's databases, by their names on the server."""
    try:
        found: dict[str, str] = json.loads(_file(host, name).read_text())
    except FileNotFoundError:
        return {}
    return found
