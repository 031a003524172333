"""Limits what a preview's command can see and do: its checkout, its home and the machine's programs, nothing else.

With bubblewrap, a command has its own user, process, IPC and host-name namespaces. The machine's programs and libraries
are read-only, the checkout and the environment's home are writable at their own paths, and /tmp is private. The network
is shared, so a preview can reach everything that listens on this machine's loopback, which is why only commits by
trusted authors run here. Memory and CPU aren't limited either. Without bubblewrap only the environment variables are
cleaned, and root becomes ``nobody_ids``; the mode ``none`` keeps the user, too.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files
from programs.kit.database import binaries
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC_FILES = (
    "alternatives",
    "ca-certificates",
    "chromium.d",
    "fonts",
    "group",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
)
NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts")


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a command runs: its working copy, and the home that all commands of the environment share. ``hosts`` is a
    file that replaces /etc/hosts where the sandbox supports it."""

    checkout: Path
    home: Path
    hosts: Path | None = None


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


def kind(settings: HostSettings) -> str:
    """``bubblewrap``, ``user`` (root becomes nobody) or ``none``."""
    if settings.sandbox == "none":
        return "none"
    if works():
        return "bubblewrap"
    if settings.sandbox == "bubblewrap":
        raise TargetError(
            "Setting 'sandbox' requires bubblewrap, but bwrap can't create its namespaces on this machine. "
            "Install bubblewrap, allow user namespaces, or set it to auto."
        )
    return "user" if os.geteuid() == 0 else "none"


@functools.cache
def works() -> bool:
    """Whether bubblewrap on this machine supports everything that ``_bubblewrap`` uses."""
    found = shutil.which("bwrap")
    if not found:
        return False
    trial = [found, *NAMESPACES, "--uid", "1000", "--gid", "1000", "--ro-bind", "/", "/", "--proc", "/proc"]
    result = subprocess.run(
        [*trial, "--dev", "/dev", "/bin/true"], capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False
    )
    return result.returncode == 0


def nobody_ids() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def grant_access(settings: HostSettings, folder_tree: Path) -> None:
    """Gives a tree to the user that commands run as, if that is a different one, and lets it enter the parent
    folders."""
    if kind(settings) != "user":
        return
    user, group = nobody_ids()
    for folder, _, names in os.walk(folder_tree):
        for path in [folder, *(os.path.join(folder, name) for name in names)]:  # noqa: PTH118 - many, and fast
            os.chown(path, user, group, follow_symlinks=False)
    for above in folder_tree.parents:
        if above.is_relative_to(settings.root):
            above.chmod(0o711)


def sandboxed(settings: HostSettings, workspace: Workspace, command: str, env: Mapping[str, str]) -> LaunchSpec:
    """The repository's shell command, ready to launch in the best sandbox that this machine supports."""
    how = kind(settings)
    shell = ("/bin/sh", "-c", command)
    clean = {**base_env(settings, workspace, how), **env}
    if how == "bubblewrap":
        return LaunchSpec((*_bubblewrap(settings, workspace), *shell), clean, "/")
    identity = "{}:{}".format(*nobody_ids()) if how == "user" else "same"
    return LaunchSpec(shell, clean, str(workspace.checkout), identity)


def base_env(settings: HostSettings, workspace: Workspace, sandbox_kind: str) -> dict[str, str]:
    """The complete environment of a command. It inherits nothing from this machine's own."""
    private = "/tmp" if sandbox_kind == "bubblewrap" else str(workspace.home / "tmp")  # noqa: S108 - a private mount
    return {
        "PATH": settings.path,
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
    arguments += ["--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - a private mount
    arguments += [word for root in SYSTEM_FOLDERS for word in _bind_root(root)]
    arguments += [word for name in ETC_FILES for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")]
    arguments += [word for item in visible_folders(settings) for word in ("--ro-bind-try", item, item)]
    arguments += ["--ro-bind", str(workspace.hosts), "/etc/hosts"] if workspace.hosts else []
    for own in (workspace.home, workspace.checkout):
        arguments += ["--bind", str(own), str(own)]
    return [*arguments, "--chdir", str(workspace.checkout)]


def visible_folders(settings: HostSettings) -> list[str]:
    """Extra folders that previews can read: the toolbox, and PostgreSQL's programs."""
    folder = binaries.binaries_folder()
    return [*settings.toolbox, *([str(folder.parent)] if folder and not folder.is_relative_to("/usr") else [])]


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
