"""Becomes a program that can't open a socket: ``python -I -S no_network.py PROGRAM…``. Standard library only.

For programs that render files of a repository where bubblewrap can't create its namespaces, as in most pods. A filter
of system calls needs no privileges there, so no network and no DNS are left.
"""

from __future__ import annotations

import os
import signal
import sys
from ctypes import CDLL, POINTER, Structure, byref, c_char, c_ushort, cast, create_string_buffer, get_errno
from pathlib import Path

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER_MODE = 22, 38, 2
INSTRUCTION_BYTES = 8


class _Filter(Structure):
    _fields_ = (("length", c_ushort), ("instructions", POINTER(c_char)))


def forbid_sockets() -> None:
    """For this process and whatever it becomes. It does nothing on an architecture without a table."""
    sys.path.append(str(Path(__file__).parents[3]))
    from programs.kit.isolation import seccomp

    calls = seccomp.program(sockets=False)
    if calls:
        install(calls)


def install(calls: bytes) -> None:
    """Filters the system calls of this process and whatever it becomes."""
    buffer = create_string_buffer(calls, len(calls))
    installed = _Filter(len(calls) // INSTRUCTION_BYTES, cast(buffer, POINTER(c_char)))
    libc = CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER_MODE, byref(installed), 0, 0):
        raise OSError(get_errno(), os.strerror(get_errno()))


if __name__ == "__main__":
    forbid_sockets()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and the program would, too
        signal.signal(number, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - becoming that program is the purpose
