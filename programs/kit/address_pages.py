"""Records of what ``address_server`` answers at the addresses of environments, and the routes to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from programs.kit import address_server, files, identifiers, routes
from programs.kit.host_settings import HostSettings
from programs.kit.processes import shared_server
from programs.kit.processes.shared_server import SharedServer
from programs.kit.routes import RouteRecord

SERVER = "addresses"


@dataclass(frozen=True, slots=True)
class AddressPage:
    """``location``: where visitors are redirected to. If it is empty, they see a page with ``outputs``."""

    environment: str
    location: str
    outputs: Mapping[str, str]
    plan: str


def server(pages: Path) -> SharedServer:
    return SharedServer(SERVER, "address server", Path(address_server.__file__), pages)


def publish(
    host: HostSettings,
    pages: Path,
    page: AddressPage,
    props: Mapping[str, Any],
    *,
    service: str,
    target: str,
    sole: bool,
) -> None:
    """Writes the record, then the route to it. ``props`` are those of the environment's resource."""
    record = {**asdict(page), "commit": props["commit"]}
    files.write(pages / f"{identifiers.check_host(props['host'])}.json", json.dumps(record))
    route = RouteRecord(
        props["host"],
        shared_server.upstream(host, SERVER),
        page.environment,
        service,
        props["commit"],
        sign_in=bool(props["sign_in"]),
        allow=tuple(props["allow"]),
        target=target,
        sole=sole,
    )
    routes.write(host.routes, route)


def list_records(pages: Path) -> dict[Path, str]:
    """The environment of each record."""
    found = {}
    for path in sorted(pages.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            found[path] = str(json.loads(path.read_text())["environment"])
    return found
