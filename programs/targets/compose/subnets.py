"""Gives each network of an environment 64 addresses of the server's pool, so that addresses of services never change.

The engine's own choice would run out after about thirty networks, and its addresses change with each start. A
reservation is a file; what the engine and this machine already use is left out.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, ip_network
from pathlib import Path

from programs.kit import files
from programs.kit.errors import TargetError
from programs.targets.compose import wording
from programs.targets.compose.engine.engine_client import EngineClient
from programs.targets.compose.settings import ComposeHost

PREFIX = 26
ROUTES = Path("/proc/net/route")


def reserve(host: ComposeHost, client: EngineClient, name: str, networks: Iterable[str]) -> dict[str, IPv4Network]:
    """By network of the environment. Those that it already has stay the same."""
    with files.locked(_folder(host) / "lock"):
        reserved = dict(list_reserved(host))
        found = {network: _of(reserved, name, network) for network in networks}
        missing = [network for network, subnet in found.items() if subnet is None]
        taken = [*reserved, *_engine_subnets(client), *_machine_routes()] if missing else []
        free = (item for item in host.networks.subnets(new_prefix=PREFIX) if not any(map(item.overlaps, taken)))
        for network in missing:
            subnet = next(free, None)
            if subnet is None:
                raise TargetError(wording.no_free_network(host.networks))
            files.write(_file(host, subnet), json.dumps({"environment": name, "network": network}))
            found[network] = subnet
    return {network: subnet for network, subnet in found.items() if subnet is not None}


def release(host: ComposeHost, name: str, keep: Iterable[str] = ()) -> None:
    """Once the networks are removed."""
    kept = set(keep)
    for subnet, (environment, network) in list_reserved(host):
        if environment == name and network not in kept:
            _file(host, subnet).unlink(missing_ok=True)


def list_reserved(host: ComposeHost) -> Iterator[tuple[IPv4Network, tuple[str, str]]]:
    """Each subnet with its environment and network."""
    for path in sorted(_folder(host).glob("*_*")):
        try:
            data = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            continue
        yield IPv4Network(path.name.replace("_", "/")), (data["environment"], data["network"])


def _folder(host: ComposeHost) -> Path:
    return host.root / "subnets"


def _file(host: ComposeHost, subnet: IPv4Network) -> Path:
    return _folder(host) / str(subnet).replace("/", "_")


def _of(reserved: dict[IPv4Network, tuple[str, str]], name: str, network: str) -> IPv4Network | None:
    return next((subnet for subnet, owner in reserved.items() if owner == (name, network)), None)


def _engine_subnets(client: EngineClient) -> Iterator[IPv4Network]:
    for network in client.all_networks():
        for config in (network.get("IPAM") or {}).get("Config") or ():
            subnet = ip_network(config.get("Subnet") or "::/128", strict=False)
            if isinstance(subnet, IPv4Network):
                yield subnet


def _machine_routes() -> Iterator[IPv4Network]:
    """The networks that this machine has an interface for. The default route isn't one of them."""
    for line in ROUTES.read_text().splitlines()[1:] if ROUTES.exists() else ():
        words = line.split()
        address, mask = (struct.unpack("<I", bytes.fromhex(words[index]))[0] for index in (1, 7))
        prefix = bin(mask).count("1")
        if prefix:
            yield IPv4Network((address, prefix), strict=False)
