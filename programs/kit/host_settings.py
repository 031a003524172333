"""The server's settings for this machine: one frozen value, its defaults in one place.

The settings of the last ``ensure`` are saved in the root. A destroy, which has only Pulumi's state, finds them there,
and no resource has to carry them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files
from programs.kit.errors import TargetError
from programs.kit.sandbox_settings import MEGABYTE, check_toolbox
from programs.spec import DEFAULT_TARGET

SANDBOX_MODES = ("auto", "bubblewrap", "none")


def _default_root() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "eph" / DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``toolbox``: folders that previews can read. ``postgres``: an administrator's URL, empty for the embedded server.
    ``templates``: prepared databases that previews can be cloned from, as name=database. ``drain``: seconds between
    switching a route and stopping its old upstream."""

    root: Path
    routes: Path
    url: str = "http://{host}:8080"
    toolbox: tuple[str, ...] = ()
    path: str = "/usr/local/bin:/usr/bin:/bin"
    sandbox: str = "auto"
    postgres: str = ""
    templates: tuple[str, ...] = ()
    checkout_bytes: int = 512 * MEGABYTE
    log_bytes: int = 2 * MEGABYTE
    first_port: int = 20000
    last_port: int = 29999
    drain: float = 0.3

    @property
    def envs(self) -> Path:
        return self.root / "envs"

    @property
    def logs(self) -> Path:
        return self.root / "supervisor" / "logs"

    @property
    def programs(self) -> Path:
        return self.root / "supervisor" / "programs"

    @property
    def launches(self) -> Path:
        return self.root / "launch"

    @property
    def template_databases(self) -> dict[str, str]:
        """Maps the names that eph.yaml uses for prepared databases to the server's names."""
        return {name: database for name, _, database in (item.partition("=") for item in self.templates)}

    def env(self, name: str) -> Path:
        return self.envs / name


def from_mapping(data: Mapping[str, str]) -> HostSettings:
    """Reads the server's strings; a missing one has its default."""
    root = Path(data.get("root") or _default_root()).absolute()
    defaults = HostSettings(root, root / "routes")
    settings = HostSettings(
        root=root,
        routes=Path(data.get("routes") or defaults.routes).absolute(),
        url=data.get("url") or defaults.url,
        toolbox=tuple(item for item in data.get("toolbox", "").split(os.pathsep) if item),
        path=data.get("path") or defaults.path,
        sandbox=data.get("sandbox") or defaults.sandbox,
        postgres=data.get("postgres", ""),
        templates=tuple(item for item in data.get("templates", "").split(",") if item),
        checkout_bytes=int(data.get("checkout_bytes") or defaults.checkout_bytes),
        log_bytes=int(data.get("log_bytes") or defaults.log_bytes),
        first_port=int(data.get("first_port") or defaults.first_port),
        last_port=int(data.get("last_port") or defaults.last_port),
        drain=float(data.get("drain") or defaults.drain),
    )
    _check(settings)
    return settings


def to_mapping(settings: HostSettings) -> dict[str, str]:
    data = {name: getattr(settings, name) for name in HostSettings.__dataclass_fields__}
    data["toolbox"] = os.pathsep.join(settings.toolbox)
    data["templates"] = ",".join(settings.templates)
    return {name: str(value) for name, value in data.items()}


def save(settings: HostSettings) -> None:
    text = json.dumps(to_mapping(settings), sort_keys=True)
    path = settings.root / "settings.json"
    if not path.exists() or path.read_text() != text:
        files.write(path, text)


def load(root: str) -> HostSettings:
    """The settings of the last ``ensure`` of that root, or the defaults."""
    try:
        data = json.loads((Path(root) / "settings.json").read_text())
    except FileNotFoundError:
        data = {"root": root}
    return from_mapping({**data, "root": root})


def _check(settings: HostSettings) -> None:
    if settings.sandbox not in SANDBOX_MODES:
        raise TargetError(f"setting 'sandbox' is {settings.sandbox!r}; use one of: {', '.join(SANDBOX_MODES)}")
    if "{host}" not in settings.url:
        raise TargetError(f"setting 'url' is {settings.url!r}; it must contain {{host}}, as in http://{{host}}:8080")
    check_toolbox(settings.toolbox, settings.root, settings.routes)
