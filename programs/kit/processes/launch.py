"""Becomes another program: ``python -I -S launch.py FILE``. Imports nothing from Eph and no package, psutil included.

FILE contains argv, env and cwd, so no secret appears on a command line. First it asks the kernel to kill it when its
parent dies: nothing survives a killed supervisord, and nothing runs twice. ``parent`` is a word in the parent's command
line, which reveals a parent that died before the request. ``identity`` is ``same``, ``namespace`` (root becomes an
ordinary user in a user namespace and files keep their owner; PostgreSQL refuses to run as root) or ``UID:GID``.

``creates`` is the record of a domain that this process keeps alive (``programs.kit.isolation``), ``domain`` that of one
that it joins, in which ``shown`` paths are reachable. ``limits`` are those of the domain that it creates; without one,
its own. ``inside`` are the variables for the sandbox: they reach it through a file, so nothing that a repository writes
is in the environment of bubblewrap itself.

It imports as little as it can, because each start of a service waits for it.
"""

# ruff: noqa: PTH100, PTH108, PTH110, PTH120, PTH123
# Importing pathlib takes as long as everything else here.

import importlib
import json
import os
import resource
import signal
import sys
from ctypes import CDLL
from typing import Any

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
FILE_BYTES = 4 * 1024**3


def exit_with_parent(expected: str) -> None:
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if expected and expected.encode() not in read(f"/proc/{os.getppid()}/cmdline"):
        sys.exit("launch: the parent process has ended")


def switch_user(identity: str) -> None:
    if identity == "namespace":
        if libc().unshare(CLONE_NEWUSER) != 0:
            sys.exit("launch: user namespaces aren't available")
        for name, text in (("setgroups", "deny"), ("gid_map", "1000 0 1"), ("uid_map", "1000 0 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    elif identity != "same":
        user, _, group = identity.partition(":")
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))


def switch_domain(what: dict[str, Any]) -> None:
    if not (what.get("creates") or what.get("domain")):
        return
    namespaces = isolation("namespaces")
    if what.get("creates"):
        namespaces.create(what["creates"], what["uid"], what["limits"])
    else:
        namespaces.apply_limits(what["domain"])
        namespaces.enter(what["domain"], what["shown"])


def with_sandbox_arguments(what: dict[str, Any]) -> list[str]:
    """bubblewrap's command line, with the variables and the filter of system calls as open files."""
    words = ["--clearenv"]
    for name, value in what["inside"].items():
        words += ["--setenv", name, value]
    arguments = ["--args", str(memory_file("\0".join(words).encode()))]
    calls = isolation("seccomp").program()
    if calls:
        arguments += ["--seccomp", str(memory_file(calls))]
    return [what["argv"][0], *arguments, *what["argv"][1:]]


def memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("arguments", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def isolation(module: str) -> Any:
    """A module of ``programs.kit.isolation``: it needs no packages, either."""
    package = os.path.abspath(__file__)
    for _ in range(4):
        package = os.path.dirname(package)
    if package not in sys.path:
        sys.path.append(package)
    return importlib.import_module(f"programs.kit.isolation.{module}")


def remove_stale_pidfile(pidfile: str) -> None:
    """Removes PostgreSQL's lock file if its process ID now belongs to another program, as after a reboot."""
    if pidfile and os.path.exists(pidfile):
        line = f"/proc/{read(pidfile).split()[0].decode()}/cmdline"
        if os.path.exists(line) and os.path.dirname(pidfile).encode() not in read(line):
            os.unlink(pidfile)


def libc() -> CDLL:
    return CDLL(None, use_errno=True)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def main(path: str) -> None:
    what = json.loads(read(path))
    if what.get("once"):
        os.unlink(path)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if what.get("bounded"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    if what.get("niceness"):
        os.nice(what["niceness"])
    remove_stale_pidfile(what["pidfile"])
    if what.get("limits") and not what.get("creates"):
        isolation("namespaces").bound(what["limits"])
    argv = with_sandbox_arguments(what) if what.get("inside") is not None else what["argv"]
    switch_user(what["identity"])
    switch_domain(what)
    # Last, because a change of identity makes the kernel drop the request.
    exit_with_parent(what["parent"])
    os.chdir(what["cwd"])
    os.execve(argv[0], argv, what["env"])  # noqa: S606 - becoming that program is the purpose


if __name__ == "__main__":
    main(sys.argv[1])
