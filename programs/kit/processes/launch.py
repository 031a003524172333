"""Becomes another program, cleanly: ``python -I -S launch.py FILE``. Stands alone, imports nothing of ours.

FILE says what to become (argv, env, cwd), so that no secret shows on a command line. Before that it asks the kernel
to end it with its parent: when supervisord is killed, nothing of it runs on, and nothing runs twice. ``parent`` is a
word of the parent's command line; a parent that died before the kernel was asked is noticed by it. ``identity`` is
``same``, ``namespace`` (root becomes an ordinary user in a user namespace, files keep their owner: PostgreSQL
refuses to run as root) or ``UID:GID``.
"""

import ctypes
import json
import os
import pathlib
import resource
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
FILE_BYTES = 4 * 1024**3


def exit_with_parent(expected: str) -> None:
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if expected:
        line = pathlib.Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
        if expected.encode() not in line:
            sys.exit("launch: the parent is gone")


def switch_user(identity: str) -> None:
    if identity == "namespace":
        if libc().unshare(CLONE_NEWUSER) != 0:
            sys.exit("launch: this kernel gives no user namespace")
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/gid_map").write_text("1000 0 1")
        pathlib.Path("/proc/self/uid_map").write_text("1000 0 1")
    elif identity != "same":
        user, _, group = identity.partition(":")
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))


def remove_stale_pidfile(pidfile: str) -> None:
    """Removes PostgreSQL's lock file when its process id belongs to another program by now, as after a restart."""
    path = pathlib.Path(pidfile)
    if pidfile and path.exists():
        line = pathlib.Path(f"/proc/{path.read_text().split()[0]}/cmdline")
        if line.exists() and str(path.parent).encode() not in line.read_bytes():
            path.unlink()


def libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def main(path: str) -> None:
    what = json.loads(pathlib.Path(path).read_text())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if what.get("bounded"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    remove_stale_pidfile(what["pidfile"])
    switch_user(what["identity"])
    # Last: a change of identity makes the kernel forget what was asked of it.
    exit_with_parent(what["parent"])
    os.chdir(what["cwd"])
    os.execve(what["argv"][0], what["argv"], what["env"])  # noqa: S606 - becoming that program is the purpose


if __name__ == "__main__":
    main(sys.argv[1])
