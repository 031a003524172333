"""The settings of the target, as its modules use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from programs.kit import host_settings
from programs.kit.host_settings import MEGABYTE, HostSettings


@dataclass(frozen=True, slots=True)
class StaticHost(HostSettings):
    """``site_bytes``: the maximum total size of a site's files. ``url``: the URL of an environment."""

    site_bytes: int = 512 * MEGABYTE
    url: str = "http://{host}:8080"

    @property
    def served(self) -> Path:
        """One file per host name, which the file server reads."""
        return self.root / "served"


def from_mapping(data: Mapping[str, str]) -> StaticHost:
    common = StaticHost.read(data)
    return replace(
        common, site_bytes=int(data.get("site_bytes") or common.site_bytes), url=data.get("url") or common.url
    )


def load(root: str) -> StaticHost:
    """The settings of the last ``ensure`` of this root."""
    return from_mapping(host_settings.read_saved(root))


def build_host(host: StaticHost) -> StaticHost:
    """For builds: an empty folder of routes of the target's own, because the broker listens next to it and each target
    needs its own broker. A build reaches no preview."""
    return replace(host, routes_folder=host.root / "build" / "routes")
