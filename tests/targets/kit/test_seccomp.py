"""The filter of system calls, installed in a real process (S3)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from programs.kit.isolation import seccomp

pytestmark = pytest.mark.skipif(not seccomp.program(), reason="this architecture has no table of system calls")

CODE = """
import ctypes, errno, json, os, socket, sys
from programs.kit.isolation import no_network, seccomp
no_network.install(seccomp.program(sockets=SOCKETS))
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long] * 4
def call(function, *arguments):
    return "" if function(*arguments) != -1 else errno.errorcode[ctypes.get_errno()]
found = {str(family): call(libc.socket, family, kind, 0) for family, kind in
         ((1, 1), (2, 1), (10, 1), (16, 3), (0, 1), (3, 1), (17, 3), (38, 5), (40, 1), (2**31 - 1, 1))}
found["hidden"] = call(libc.syscall, NUMBER, 2**32 + 40, 1, 0)
found["x32"] = call(libc.syscall, 0x40000000 + NUMBER, 2, 1, 0)
pair = (ctypes.c_int * 2)()
found["pair"] = call(libc.socketpair, 1, 1, 0, pair)
found["other pair"] = call(libc.socketpair, 30, 1, 0, pair)
found["unshare"] = call(libc.unshare, 0x10000000)
if SOCKETS:
    socket.getaddrinfo("localhost", 80)
    socket.if_nameindex()
print(json.dumps(found))
"""


def results(*, sockets: bool) -> dict[str, str]:
    """The name of the error of each call, empty if it worked."""
    number = seccomp._SOCKET_NUMBERS[os.uname().machine]["socket"]
    code = CODE.replace("SOCKETS", str(sockets)).replace("NUMBER", str(number))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_only_ordinary_families_of_sockets_can_be_opened() -> None:
    """A network namespace doesn't confine AF_VSOCK, and others are rarely used parts of the kernel."""
    found = results(sockets=True)
    allowed = {str(int(family)) for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)}
    assert {name for name, error in found.items() if not error} == {*allowed, "pair"}
    assert set(found.values()) == {"", "EPERM"}


def test_without_sockets_only_a_pair_can_be_opened() -> None:
    found = results(sockets=False)
    assert {name for name, error in found.items() if not error} == {"pair"}
