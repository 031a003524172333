"""The settings of the target, as its modules use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from programs.kit import host_settings
from programs.kit.host_settings import HostSettings

DEFAULT_NETWORKS = IPv4Network("10.221.0.0/16")


@dataclass(frozen=True, slots=True)
class ComposeHost(HostSettings):
    """``server`` distinguishes the resources of this Eph from those of others on the same engine. ``cpu``, ``memory``
    and ``pids`` are the limits of an environment. The other fields are described in ``settings_table``."""

    server: str = ""
    socket: Path = Path("/var/run/docker.sock")
    compose: str = ""
    docker: str = ""
    networks: IPv4Network = DEFAULT_NETWORKS
    builds: bool = True
    build_memory: str = "4Gi"
    build_cpu: str = "2"
    build_seconds: int = 1800
    build_network: str = "default"
    cpu: str = "4"
    memory: str = "4Gi"
    pids: int = 2048
    services: int = 20
    start_seconds: int = 300
    registries: tuple[str, ...] = ()
    docker_config: str = ""
    postgres_address: str = ""
    templates: tuple[str, ...] = ()
    url: str = "http://{host}:8080"

    @property
    def template_databases(self) -> dict[str, str]:
        """The server's name of each prepared database."""
        return {name: database for name, _, database in (item.partition("=") for item in self.templates)}


def from_mapping(data: Mapping[str, str]) -> ComposeHost:
    host = ComposeHost.read(data)
    plain: dict[str, Any] = {
        name: data[name]
        for name in (
            "server",
            "compose",
            "docker",
            "build_memory",
            "build_cpu",
            "build_network",
            "cpu",
            "memory",
            "docker_config",
            "postgres_address",
            "url",
        )
        if data.get(name)
    }
    numbers: dict[str, Any] = {
        name: int(data[name]) for name in ("build_seconds", "pids", "services", "start_seconds") if name in data
    }
    return replace(
        host,
        **plain,
        **numbers,
        socket=Path(data.get("socket") or host.socket),
        networks=IPv4Network(data.get("networks") or host.networks),
        builds=data.get("builds") not in ("refused", "False"),  # False: as the host saved it
        registries=tuple(item for item in data.get("registries", "").split(",") if item),
        templates=tuple(item for item in data.get("templates", "").split(",") if item),
    )


def load(root: str) -> ComposeHost:
    """The settings of the last ``ensure`` of this root."""
    return from_mapping(host_settings.read_saved(root))
