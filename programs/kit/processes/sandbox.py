"""What a preview's command can see and do: its checkout, its home, the machine's programs, and nothing else.

With bubblewrap: own user, process, IPC and host-name namespaces; the machine's programs and libraries read-only; the
checkout and the environment's home writable at their own paths; a private /tmp. The network is shared, so a preview
reaches whatever listens on this machine's loopback: that is why only trusted authors' commits run here. Memory and
processor time are not bounded either. Without bubblewrap only the environment is cleaned, and root becomes
``nobody_ids``; ``none`` by setting keeps the user too.
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
from programs.kit.sandbox_settings import CommandHost

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
    file that stands in for the machine's list of host names, where the sandbox can do that."""

    checkout: Path
    home: Path
    hosts: Path | None = None


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What ``launch.py`` becomes. ``parent``: a word of the parent's command line, when that is to be checked."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    identity: str = "same"
    parent: str = ""
    pidfile: str = ""
    bounded: bool = True


def kind(settings: CommandHost) -> str:
    """``bubblewrap``, ``user`` (root becomes nobody) or ``none``."""
    if settings.sandbox == "none":
        return "none"
    if works():
        return "bubblewrap"
    if settings.sandbox == "bubblewrap":
        raise TargetError(
            "setting 'sandbox' asks for bubblewrap, and bwrap cannot make its namespaces on this machine; "
            "install bubblewrap, allow user namespaces, or set it to auto"
        )
    return "user" if os.geteuid() == 0 else "none"


@functools.cache
def works() -> bool:
    """Whether bubblewrap can do here all that ``_bubblewrap`` asks of it."""
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


def grant_access(settings: CommandHost, folder_tree: Path) -> None:
    """Gives a tree to the user that commands run as, where that is another one, and lets it walk there."""
    if kind(settings) != "user":
        return
    user, group = nobody_ids()
    for folder, _, names in os.walk(folder_tree):
        for path in [folder, *(os.path.join(folder, name) for name in names)]:  # noqa: PTH118 - many, and fast
            os.chown(path, user, group, follow_symlinks=False)
    for above in folder_tree.parents:
        if above.is_relative_to(settings.root):
            above.chmod(0o711)


def sandboxed(settings: CommandHost, workspace: Workspace, command: str, env: Mapping[str, str]) -> LaunchSpec:
    """The repository's shell command, ready to be launched in this machine's best sandbox."""
    how = kind(settings)
    shell = ("/bin/sh", "-c", command)
    clean = {**base_env(settings, workspace, how), **env}
    if how == "bubblewrap":
        return LaunchSpec((*_bubblewrap(settings, workspace), *shell), clean, "/")
    identity = "{}:{}".format(*nobody_ids()) if how == "user" else "same"
    return LaunchSpec(shell, clean, str(workspace.checkout), identity)


def base_env(settings: CommandHost, workspace: Workspace, sandbox_kind: str) -> dict[str, str]:
    """All that a command sees of this machine's own environment: nothing, but a few words made here."""
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


def _bubblewrap(settings: CommandHost, workspace: Workspace) -> list[str]:
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


def visible_folders(settings: CommandHost) -> list[str]:
    """Folders outside the usual ones that previews may read: the toolbox, and PostgreSQL's own programs."""
    folder = binaries.binaries_folder()
    return [*settings.toolbox, *([str(folder.parent)] if folder and not folder.is_relative_to("/usr") else [])]


def _bind_root(path: str) -> list[str]:
    if Path(path).is_symlink():
        return ["--symlink", str(Path(path).readlink()), path]
    return ["--ro-bind-try", path, path]


def write_launch_file(path: Path, launch: LaunchSpec) -> list[str]:
    """Writes what a process is to become, readable by its owner only; gives the command line that becomes it."""
    files.write(path, json.dumps(dataclasses.asdict(launch)))
    return launch_command(path)


def launch_command(path: Path) -> list[str]:
    """The command line that becomes what the launch file at ``path`` describes."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(path)]
