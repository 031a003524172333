"""The proxy of environments on a machine that has a public address, which the machine that runs the tests lacks.

Run as a program, it creates a network namespace with such an address on ``lo``, and a server that listens there. It
prints the status of the proxy's response for each host.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

from programs.kit.isolation import namespaces
from programs.kit.isolation.egress import EgressProxy

ADDRESS = "203.0.114.7"
OTHER_FORMS = (f"[::ffff:{ADDRESS}]",)
_SIOCSIFADDR = 0x8916


def statuses(*hosts: str, allow: str = "") -> list[str]:
    """The status of the response for each host."""
    command = [sys.executable, "-m", __name__, allow, *hosts]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split()


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if namespaces.libc().unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNET):
        raise OSError("no namespaces can be created here")
    for name, text in (("setgroups", "deny"), ("gid_map", f"0 {group} 1"), ("uid_map", f"0 {user} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    namespaces.bring_loopback_up()
    with socket.socket() as control:
        place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(ADDRESS))
        fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s", b"lo:1") + place)


async def _print_statuses(hosts: list[str], allow: list[str]) -> None:
    proxy = await asyncio.start_server(EgressProxy(allow).handle, "127.0.0.1", 0)
    own = await asyncio.start_server(lambda _, writer: writer.close(), ADDRESS, 0)
    async with proxy, own:
        port = own.sockets[0].getsockname()[1]
        for host in hosts:
            reader, writer = await asyncio.open_connection(*proxy.sockets[0].getsockname())
            writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
            print((await reader.readline()).split()[1].decode())
            writer.close()


if __name__ == "__main__":
    _enter_namespace()
    asyncio.run(_print_statuses(sys.argv[2:], sys.argv[1].split()))
