"""The settings of the target: those of its machine, and its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from programs.kit import host_settings
from programs.kit.errors import TargetError
from programs.kit.host_settings import MEGABYTE, HostSettings
from programs.spec import DEFAULT_TARGET
from programs.targets.local import wording


@dataclass(frozen=True, slots=True)
class LocalSettings(HostSettings):
    """``templates``: prepared databases that previews can be cloned from, as name=database. ``drain``: seconds between
    switching a route and stopping its old upstream. ``server_memory_bytes`` bounds the data of each server of an
    environment, such as Redis."""

    url: str = "http://{host}:8080"
    templates: tuple[str, ...] = ()
    drain: float = 0.3
    server_memory_bytes: int = 256 * MEGABYTE

    @property
    def template_databases(self) -> dict[str, str]:
        """Maps the names that eph.yaml uses for prepared databases to the server's names."""
        return {name: database for name, _, database in (item.partition("=") for item in self.templates)}


def from_mapping(data: Mapping[str, str]) -> LocalSettings:
    """Reads the server's strings; a missing one takes its default."""
    common = LocalSettings.read({**data, "root": data.get("root") or str(_default_root())})
    settings = replace(
        common,
        url=data.get("url") or common.url,
        templates=tuple(item for item in data.get("templates", "").split(",") if item),
        drain=float(data.get("drain") or common.drain),
        server_memory_bytes=int(data.get("server_memory_bytes") or common.server_memory_bytes),
    )
    if "{host}" not in settings.url:
        raise TargetError(wording.url_needs_host(settings.url))
    return settings


def load(root: str) -> LocalSettings:
    """The settings of the last ``ensure`` of this root; the defaults if there was none."""
    return from_mapping(host_settings.read_saved(root))


def _default_root() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "eph" / DEFAULT_TARGET
