"""What a target that runs things on Eph's machine knows about it: one frozen value, its defaults in one place.

The settings of the last ``ensure`` are saved in the root. A destroy, which has only Pulumi's state, finds them there,
and no resource has to carry them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from programs.kit import files, wording
from programs.kit.errors import TargetError

MEGABYTE = 1024 * 1024
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
SANDBOX_MODES = ("auto", "bubblewrap", "none")
EGRESS_MODES = ("none", "proxy")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """A target with more settings passes a subclass to the kit.

    ``routes_folder``: the gateway's routes, in the root by default. ``toolbox``: additional folders that commands can
    read. ``path``: their PATH. ``postgres``: an administrator's URL, empty for the embedded server.
    ``checkout_bytes``: the maximum total size of a commit's files. ``log_bytes``: of a log file. Services get ports
    from ``first_port`` to ``last_port``. If Eph runs as root, environments have users from ``first_uid``.
    ``memory_bytes``, ``disk_bytes``, ``process_limit`` and ``cpu_limit``, in CPUs and 0 for all, bound each
    environment. ``egress`` is ``proxy`` or ``none``; ``egress_allow`` are private networks that the proxy connects to
    anyway, ``egress_proxy`` the proxy that it uses itself. ``variables`` are the operator's, for all commands of
    repositories, and ``ca_file`` has the certificate authorities that they trust. ``cache_bytes`` bounds all build
    caches together (0: none are kept); one that no environment uses is removed after ``cache_days``. At most
    ``build_limit`` builds run at once (0: one per CPU) among all targets with the same folder ``build_slots``.
    A build waits if the running ones are expected to leave less than ``build_spare`` bytes of memory (0: never).
    ``toolchains`` is ``auto`` if commands may use the languages of this machine that aren't on ``path``, or ``none``.
    """

    root: Path
    routes_folder: Path | None = None
    toolbox: tuple[str, ...] = ()
    path: str = DEFAULT_PATH
    sandbox: str = "auto"
    postgres: str = ""
    checkout_bytes: int = 512 * MEGABYTE
    log_bytes: int = 2 * MEGABYTE
    first_port: int = 20000
    last_port: int = 29999
    first_uid: int = 2_100_000
    memory_bytes: int = 4096 * MEGABYTE
    process_limit: int = 2048
    cpu_limit: float = 0.0
    disk_bytes: int = 20 * 1024 * MEGABYTE
    egress: str = "proxy"
    egress_allow: tuple[str, ...] = ()
    egress_proxy: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    ca_file: str = ""
    cache_bytes: int = 8192 * MEGABYTE
    cache_days: int = 14
    build_limit: int = 0
    build_slots: Path | None = None
    build_spare: int = 0
    toolchains: str = "auto"

    @classmethod
    def read(cls, data: Mapping[str, str]) -> Self:
        """From the server's strings; a missing or empty one takes its default."""
        root = Path(data["root"]).absolute()
        defaults = cls(root)
        settings = cls(
            root=root,
            routes_folder=Path(data.get("routes") or defaults.routes).absolute(),
            toolbox=tuple(item for item in data.get("toolbox", "").split(os.pathsep) if item),
            path=data.get("path") or defaults.path,
            sandbox=data.get("sandbox") or defaults.sandbox,
            postgres=data.get("postgres", ""),
            checkout_bytes=int(data.get("checkout_bytes") or defaults.checkout_bytes),
            log_bytes=int(data.get("log_bytes") or defaults.log_bytes),
            first_port=int(data.get("first_port") or defaults.first_port),
            last_port=int(data.get("last_port") or defaults.last_port),
            first_uid=int(data.get("first_uid") or defaults.first_uid),
            memory_bytes=int(data.get("memory_bytes") or defaults.memory_bytes),
            process_limit=int(data.get("process_limit") or defaults.process_limit),
            cpu_limit=float(data.get("cpu_limit") or defaults.cpu_limit),
            disk_bytes=int(data.get("disk_bytes") or defaults.disk_bytes),
            egress=data.get("egress") or defaults.egress,
            egress_allow=tuple(item for item in data.get("egress_allow", "").split(",") if item),
            egress_proxy=data.get("egress_proxy") or data.get("machine_proxy", ""),
            variables=tuple(read_variables(data.get("env", "")).items()),
            ca_file=data.get("ca_file", ""),
            cache_bytes=int(data.get("cache_bytes") or defaults.cache_bytes),
            cache_days=int(data.get("cache_days") or defaults.cache_days),
            build_limit=int(data.get("build_limit") or defaults.build_limit),
            build_slots=Path(data["build_slots"]).absolute() if data.get("build_slots") else None,
            build_spare=int(data.get("build_spare") or defaults.build_spare),
            toolchains=data.get("toolchains") or defaults.toolchains,
        )
        _check(settings)
        return settings

    @property
    def routes(self) -> Path:
        return self.routes_folder or self.root / "routes"

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

    def env(self, name: str) -> Path:
        """The folder of an environment."""
        return self.envs / name

    def domain_record(self, name: str) -> Path:
        """The file that names the process that keeps an environment's domain alive (``programs.kit.isolation``)."""
        return self.env(name) / "run" / "domain.json"


def read_variables(text: str) -> dict[str, str]:
    """The variables that the operator sets for previews, as a target's settings carry them."""
    found: dict[str, str] = json.loads(text or "{}")
    return found


def from_mapping(data: Mapping[str, str]) -> HostSettings:
    return HostSettings.read(data)


def to_mapping(settings: HostSettings) -> dict[str, str]:
    data = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    data["toolbox"] = os.pathsep.join(settings.toolbox)
    data["env"] = json.dumps(dict(data.pop("variables")))
    data["routes"] = data.pop("routes_folder") or settings.routes
    data["build_slots"] = data["build_slots"] or ""
    return {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in data.items()}


def save(settings: HostSettings) -> None:
    text = json.dumps(to_mapping(settings), sort_keys=True)
    path = settings.root / "settings.json"
    if not path.exists() or path.read_text() != text:
        files.write(path, text)


def read_saved(root: str) -> dict[str, str]:
    """The strings of the last ``ensure`` of this root; only the root if there was none."""
    try:
        data = json.loads((Path(root) / "settings.json").read_text())
    except FileNotFoundError:
        data = {}
    return {**data, "root": root}


def load(root: str) -> HostSettings:
    return HostSettings.read(read_saved(root))


def _check(settings: HostSettings) -> None:
    if settings.sandbox not in SANDBOX_MODES:
        raise TargetError(wording.invalid_choice("sandbox", settings.sandbox, ", ".join(SANDBOX_MODES)))
    if settings.egress not in EGRESS_MODES:
        raise TargetError(wording.invalid_choice("egress", settings.egress, ", ".join(EGRESS_MODES)))
    proxy = urlsplit(settings.egress_proxy)
    if settings.egress_proxy and (proxy.scheme not in ("http", "https") or not proxy.hostname):
        raise TargetError(wording.INVALID_PROXY)
    check_toolbox(settings.toolbox, settings.root, settings.routes)


def check_toolbox(toolbox: Iterable[str], *private: Path) -> None:
    """Raises if a folder of the toolbox would expose one of these to previews."""
    for item in toolbox:
        shown = Path(item).absolute()
        for kept in private:
            if kept.is_relative_to(shown) or shown.is_relative_to(kept):
                raise TargetError(wording.toolbox_exposes(kept, item))
