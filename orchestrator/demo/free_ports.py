"""Ports on loopback for servers that start a little later.

A port that the kernel picks may be the local end of somebody's connection by the time its server binds it. These lie
below the range that the kernel picks from, and below the ports that environments get. An abstract Unix socket reserves
each for as long as this process lives, so no two processes that ask here get the same one.
"""

from __future__ import annotations

import random
import socket

FIRST_PORT, LAST_PORT = 10_000, 19_999


def free_port() -> int:
    """A port that nothing listens on, and that no other caller gets while this process lives."""
    for port in random.sample(range(FIRST_PORT, LAST_PORT + 1), 1000):
        if reserve(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def reserve(port: int) -> bool:
    """False if something listens on the port, or another caller has it."""
    return _bind_reservation(port) and is_free(port)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _bind_reservation(port: int) -> bool:
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0eph-port-{port}")
    except OSError:
        reservation.close()
        return False
    reservation.detach()  # stays open until this process ends
    return True
