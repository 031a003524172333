"""Ports on loopback for servers that start a little later.

By the time a server binds a port that the kernel picked, another process may use it as the local end of a connection.
These ports are below the kernel's range, and below those of environments. An abstract Unix socket reserves
each for as long as this process lives, so no two processes that ask here get the same one.
"""

from __future__ import annotations

import random
import socket

from programs.kit.processes import ports, wording

FIRST_PORT, LAST_PORT = 10_000, 19_999


def free_port() -> int:
    """A port that nothing listens on, and that no other caller gets while this process lives."""
    for port in random.sample(range(FIRST_PORT, LAST_PORT + 1), 1000):
        if reserve(port):
            return port
    raise OSError(wording.no_free_port(FIRST_PORT, LAST_PORT))


def reserve(port: int) -> bool:
    """False if something listens on the port, or another caller has it."""
    return _bind_reservation(port) and ports.is_free(port)


def _bind_reservation(port: int) -> bool:
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0eph-port-{port}")
    except OSError:
        reservation.close()
        return False
    reservation.detach()  # stays open until this process ends
    return True
