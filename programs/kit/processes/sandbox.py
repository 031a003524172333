"""Limits what a preview's command can see and do: its checkout, its home and the machine's programs, nothing else.

With bubblewrap, a command has its own user, process, IPC and host-name namespaces, can't create others, and can't make
the system calls in ``programs.kit.isolation.seccomp``. The machine's programs and libraries are read-only, the checkout
and the environment's home are writable at their own paths, and /tmp is private. A command with a domain also shares a
network namespace with its environment only (``programs.kit.isolation.domains``).

A repository's variables are for inside: bubblewrap itself always starts with ``launcher_env``. Without a sandbox
nothing of a repository runs, unless the setting ``none`` allows that.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs.kit import files, tool_versions, toolchains
from programs.kit.build_cache import tools
from programs.kit.database import binaries
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.processes import wording
from programs.kit.toolchains import InstalledLanguage

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC_FILES = (  # without settings that may contain credentials, such as maven/settings.xml
    "alternatives",
    "ca-certificates",
    "chromium.d",
    "fonts",
    "group",
    "hosts",
    "java-*-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "maven/logging",
    "maven/m2.conf",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "pki/tls/certs",
    "pki/ca-trust",
)
TRUST_VARIABLES = (
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
)
"""Where the common tools look for the file of certificate authorities."""
BUILD_NICENESS = 10
"""Services and Eph itself come first."""
NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--disable-userns")


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a command runs: its working copy, and the home that all commands of the environment share. ``hosts`` is a
    file that replaces /etc/hosts where the sandbox supports it. ``domain`` is the record of the environment's domain;
    without one, a command shares this machine's network. ``volumes`` are folders and their paths for the command.
    ``cache`` is the folder of the environment's build cache. ``programs`` are more folders that it can read."""

    checkout: Path
    home: Path
    hosts: Path | None = None
    domain: Path | None = None
    volumes: tuple[tuple[Path, str], ...] = ()
    cache: Path | None = None
    programs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What ``launch.py`` becomes. ``parent`` is a word in the parent's command line, if the parent is to be
    verified."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    identity: str = "same"
    parent: str = ""
    pidfile: str = ""
    bounded: bool = True
    inside: Mapping[str, str] | None = None
    domain: str = ""
    shown: tuple[str, ...] = ()
    creates: str = ""
    uid: int = 0
    limits: Mapping[str, Any] = field(default_factory=dict)
    niceness: int = 0
    once: bool = False
    """The launch file is removed when it was read."""


def kind(settings: HostSettings) -> str:
    """``bubblewrap`` or ``none``. Raises if there is no sandbox and the settings don't allow that."""
    if settings.sandbox == "none":
        return "none"
    if works():
        return "bubblewrap"
    raise TargetError(wording.NO_SANDBOX)


@functools.cache
def works() -> bool:
    """Whether bubblewrap on this machine supports everything that ``_bubblewrap`` uses."""
    found = shutil.which("bwrap")
    if not found:
        return False
    trial = [
        found,
        *NAMESPACES,
        "--unshare-net",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
    ]
    result = subprocess.run(
        [*trial, "--dev", "/dev", "/bin/true"], capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False
    )
    return result.returncode == 0


def sandboxed(settings: HostSettings, workspace: Workspace, command: str, env: Mapping[str, str]) -> LaunchSpec:
    """The repository's shell command, ready to launch in the sandbox."""
    how = kind(settings)
    shell = ("/bin/sh", "-c", command)
    clean = {**base_env(settings, workspace, how), **env}
    if settings.ca_file and not os.access(settings.ca_file, os.R_OK):
        raise TargetError(wording.ca_file_unreadable(settings.ca_file))
    if how == "none":
        if workspace.volumes:
            raise TargetError(wording.VOLUMES_NEED_SANDBOX)
        return LaunchSpec(shell, clean, str(workspace.checkout))
    launch = LaunchSpec((*_bubblewrap(settings, workspace), *shell), launcher_env(workspace.home), "/", inside=clean)
    if workspace.domain is None:
        return launch
    shown = [workspace.home, workspace.checkout, *map(Path, _visible_folders(settings, workspace))]
    shown += [workspace.hosts] if workspace.hosts else []
    shown += [source for source, _ in workspace.volumes]
    shown += [workspace.cache] if workspace.cache else []
    return dataclasses.replace(
        launch, domain=str(workspace.domain), shown=tuple(str(path) for path in shown if path.exists())
    )


def cache_path(settings: HostSettings, cache: Path) -> str:
    """Where a command finds its environment's build cache."""
    return str(cache) if kind(settings) == "none" else tools.MOUNT


def launcher_env(home: Path | None = None) -> dict[str, str]:
    """The environment of a launcher outside the sandbox: fixed. ``home`` shows which environment it belongs to."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **({"HOME": str(home)} if home else {})}


def base_env(settings: HostSettings, workspace: Workspace, sandbox_kind: str) -> dict[str, str]:
    """The complete environment of a command. It inherits nothing from this machine's own."""
    private = "/tmp" if sandbox_kind == "bubblewrap" else str(workspace.home / "tmp")  # noqa: S108 - a private mount
    trust = dict.fromkeys(TRUST_VARIABLES, settings.ca_file) if settings.ca_file else {}
    cache = tools.variables(cache_path(settings, workspace.cache)) if workspace.cache else {}
    versions = tool_versions.find(settings, workspace.checkout)
    path = toolchains.extended_path(settings.path, _toolchains(settings))
    return {
        **trust,
        **cache,
        **{name: value for item in versions for name, value in item.variables.items()},
        **dict(settings.variables),
        "PATH": os.pathsep.join([*(str(item.programs) for item in versions), path]),
        "HOME": str(workspace.home),
        "TMPDIR": private,
        "LANG": "C.UTF-8",
        "USER": "preview",
        "LOGNAME": "preview",
        "SHELL": "/bin/sh",
    }


def _bubblewrap(settings: HostSettings, workspace: Workspace) -> list[str]:
    bwrap = shutil.which("bwrap") or "bwrap"
    arguments = [bwrap, *NAMESPACES, "--uid", "1000", "--gid", "1000", "--hostname", "preview"]
    arguments += ["--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108 - private mounts
        arguments += ["--perms", "1777", "--size", str(settings.memory_bytes), "--tmpfs", folder]
    arguments += [word for root in SYSTEM_FOLDERS for word in _bind_root(root)]
    arguments += [word for path in _etc_files() for word in ("--ro-bind-try", path, path)]
    arguments += ["--ro-bind", str(workspace.hosts), "/etc/hosts"] if workspace.hosts else []
    binds = [("--ro-bind-try", item, item) for item in _visible_folders(settings, workspace)]
    binds += [("--bind", str(workspace.cache), tools.MOUNT)] if workspace.cache else []
    binds += [("--bind", str(own), str(own)) for own in (workspace.home, workspace.checkout)]
    binds += [("--bind", str(source), target) for source, target in workspace.volumes]
    # A folder after those that contain it, which would otherwise hide it.
    arguments += [word for bind in sorted(binds, key=lambda bind: bind[2].count("/")) for word in bind]
    # bubblewrap's own mounts are in memory, without a limit.
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(workspace.checkout)]


@functools.cache
def _etc_files() -> tuple[str, ...]:
    patterns = [name for name in ETC_FILES if "*" in name]
    found = (str(path) for pattern in patterns for path in Path("/etc").glob(pattern))
    return (*(f"/etc/{name}" for name in ETC_FILES if name not in patterns), *sorted(found))


def _visible_folders(settings: HostSettings, workspace: Workspace) -> list[str]:
    """Extra folders and files that previews can read: the toolbox, languages, the versions that the repository asks
    for, PostgreSQL's programs, and the authorities."""
    folder = binaries.binaries_folder()
    programs = [str(folder.parent)] if folder and not folder.is_relative_to("/usr") else []
    languages = [str(item.root) for item in _toolchains(settings) if item.root]
    languages += [str(item.root) for item in tool_versions.find(settings, workspace.checkout)]
    languages += [str(item) for item in workspace.programs]
    return [*settings.toolbox, *languages, *programs, *([settings.ca_file] if settings.ca_file else [])]


def _toolchains(settings: HostSettings) -> tuple[InstalledLanguage, ...]:
    if settings.toolchains == "none":
        return ()
    return toolchains.on_this_machine(settings.path, (settings.root, settings.routes))


def _bind_root(path: str) -> list[str]:
    if Path(path).is_symlink():
        return ["--symlink", str(Path(path).readlink()), path]
    return ["--ro-bind-try", path, path]


def write_launch_file(path: Path, launch: LaunchSpec) -> list[str]:
    """Writes the launch file, readable by its owner only, and returns the command line that runs it."""
    files.write(path, json.dumps(dataclasses.asdict(launch)))
    return launch_command(path)


def launch_command(path: Path) -> list[str]:
    """The command line that runs the launch file at ``path``."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(path)]
