"""Becomes another program: ``python -I -S launch.py FILE``. Imports nothing from Eph and no package, psutil included.

FILE contains argv, env and cwd, so no secret appears on a command line. First it asks the kernel to kill it when its
parent dies: nothing survives a killed supervisord, and nothing runs twice. ``parent`` is a word in the parent's command
line, which reveals a parent that died before the request. ``identity`` is ``same``, ``namespace`` (root becomes an
ordinary user in a user namespace and files keep their owner; PostgreSQL refuses to run as root) or ``UID:GID``.

It imports as little as it can, because each start of a service waits for it.
"""

# ruff: noqa: PTH108, PTH110, PTH120, PTH123
# Importing pathlib takes as long as everything else here.

import json
import os
import resource
import signal
import sys
from ctypes import CDLL

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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if what.get("bounded"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    remove_stale_pidfile(what["pidfile"])
    switch_user(what["identity"])
    # Last, because a change of identity makes the kernel drop the request.
    exit_with_parent(what["parent"])
    os.chdir(what["cwd"])
    os.execve(what["argv"][0], what["argv"], what["env"])  # noqa: S606 - becoming that program is the purpose


if __name__ == "__main__":
    main(sys.argv[1])
