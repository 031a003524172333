"""Creates and enters an environment's namespaces. Standard library only: ``launch.py`` and the broker run without
packages.

A domain is a user namespace and a network namespace in which only the loopback device is up. A process that sleeps
keeps both alive, and a record names that process. Whoever joins verifies the record, because a process ID can be
reused.
"""

# ruff: noqa: PTH110, PTH115, PTH116, PTH120, PTH123, PTH208, PTH103
# Importing pathlib takes as long as everything else here, and each start of a service waits for it.

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import struct
from collections.abc import Mapping, Sequence
from ctypes import CDLL, get_errno
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_DUMPABLE = 4
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def create(record: str, uid: int, limits: Mapping[str, Any]) -> None:
    """Moves this process into a new domain and writes the record. Root becomes ``uid`` outside the domain. ``limits``
    are for those who join."""
    end_members(record)
    _create_groups(limits.get("groups", {}))
    file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    user, group = (uid, uid) if os.geteuid() == 0 and uid else (os.geteuid(), os.getegid())
    if user != os.geteuid():
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
        libc().prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # otherwise /proc/self belongs to root
    _check(libc().unshare(CLONE_NEWUSER | CLONE_NEWNET))
    for name, text in (("setgroups", "deny"), ("gid_map", f"0 {group} 1"), ("uid_map", f"0 {user} 1")):
        with open(f"/proc/self/{name}", "w") as target:
            target.write(text)
    bring_loopback_up()
    spaces = {kind: os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("net", "user")}
    identity = {"pid": os.getpid(), "ticks": start_ticks(os.getpid()), "uid": user}
    os.ftruncate(file, 0)
    os.write(file, json.dumps({**identity, **spaces, "limits": dict(limits)}).encode())
    os.close(file)


def is_alive(record: str) -> bool:
    """Whether the process in the record still runs."""
    try:
        found = read(record)
        return bool(start_ticks(found["pid"]) == found["ticks"])
    except (OSError, ValueError, KeyError):
        return False


def read(record: str) -> dict[str, Any]:
    with open(record) as file:
        found: dict[str, Any] = json.load(file)
    return found


def enter(record: str, shown: Sequence[str] = ()) -> None:
    """Moves this process into the domain, as its root: a user without any rights outside. ``shown`` are paths that this
    user must reach."""
    found = read(record)
    spaces = [os.open(f"/proc/{found['pid']}/ns/{name}", os.O_RDONLY) for name in ("user", "net")]
    if start_ticks(found["pid"]) != found["ticks"] or os.fstat(spaces[1]).st_ino != found["net"]:
        raise OSError("the environment's domain has ended")
    if os.geteuid() == 0:
        _show(shown)
        os.setgroups([])
    for descriptor, kind in zip(spaces, (CLONE_NEWUSER, CLONE_NEWNET), strict=True):
        _check(libc().setns(descriptor, kind))
        os.close(descriptor)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def apply_limits(record: str) -> None:
    """Bounds this process and all that it starts, as the record says."""
    _apply(read(record).get("limits", {}))


def bound(limits: Mapping[str, Any]) -> None:
    """As ``apply_limits``, for a process without a domain."""
    _create_groups(limits.get("groups", {}))
    _apply(limits)


def _apply(limits: Mapping[str, Any]) -> None:
    for group in limits.get("groups", ()):
        with open(f"{group}/cgroup.procs", "w") as file:
            file.write("0")
    if limits.get("data"):
        resource.setrlimit(resource.RLIMIT_DATA, (limits["data"], limits["data"]))
    if limits.get("processes"):
        resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"], limits["processes"]))


def _create_groups(groups: Mapping[str, Mapping[str, str]]) -> None:
    for group, values in groups.items():
        os.makedirs(group, exist_ok=True)
        for name, value in values.items():
            # A kernel without swap accounting lacks some of them.
            if os.path.exists(f"{group}/{name}"):
                with open(f"{group}/{name}", "w") as file:
                    file.write(value)


def end_members(record: str, keep: int = 0) -> None:
    """Kills every process that joined the domain, whichever process started it, except ``keep``. Sandboxes end with the
    process that opened them."""
    for pid in members(record):
        if pid != keep:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def members(record: str, kinds: Sequence[str] = ("net", "user")) -> list[int]:
    """The processes that joined the domain. The kernel reuses the numbers of namespaces, so both and the user must
    match. Processes in a sandbox have a user namespace of their own; with only ``net``, they are included."""
    try:
        found = read(record)
        spaces = {kind: f"{kind}:[{found[kind]}]" for kind in kinds}
    except (OSError, ValueError, KeyError):
        return []
    joined = []
    for pid in [entry for entry in os.listdir("/proc") if entry.isdigit()]:
        with contextlib.suppress(OSError):
            same = all(os.readlink(f"/proc/{pid}/ns/{kind}") == name for kind, name in spaces.items())
            if same and os.stat(f"/proc/{pid}").st_uid == found["uid"]:
                joined.append(int(pid))
    return joined


def _show(paths: Sequence[str]) -> None:
    """In a mount namespace of this process, makes ``paths`` reachable for a user who can't enter the folders above
    them. Only root needs this: its folders are closed to the environment's user."""
    barriers = {top for path in paths if (top := _first_closed_folder(path))}
    if not barriers:
        return
    _check(libc().unshare(CLONE_NEWNS))
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    hidden = [(path, os.open(path, os.O_PATH)) for path in paths if _first_closed_folder(path)]
    for top in sorted(barriers):
        _mount("tmpfs", top, "tmpfs", 0, "mode=755")
    for path, descriptor in hidden:
        _make_mount_point(path, is_folder=stat.S_ISDIR(os.fstat(descriptor).st_mode))
        _mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND | MS_REC)
        os.close(descriptor)


def _make_mount_point(path: str, is_folder: bool) -> None:
    os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
    if not is_folder:
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o644))


def _first_closed_folder(path: str) -> str:
    """The topmost folder above ``path`` that other users can't enter; empty if there is none."""
    above = os.path.dirname(path)
    chain = [above]
    while above != "/":
        above = os.path.dirname(above)
        chain.append(above)
    return next((folder for folder in reversed(chain) if not os.stat(folder).st_mode & stat.S_IXOTH), "")


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks after boot. -1 if it doesn't exist or is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            state, *fields = file.read().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if state in "ZX" else int(fields[18])


def libc() -> CDLL:
    return CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(get_errno(), os.strerror(get_errno()))


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [word.encode() if word is not None else None for word in (source, target, kind)]
    _check(libc().mount(*words, flags, data.encode() if data else None))


def bring_loopback_up() -> None:
    with socket.socket() as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
