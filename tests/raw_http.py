"""Bytes over a connection that no client library would send."""

from __future__ import annotations

import contextlib
import socket
from functools import partial


def exchange(port: int, data: bytes, seconds: float) -> bytes:
    """The response, until the end or a pause of so many seconds."""
    with socket.create_connection(("127.0.0.1", port), 5) as made:
        made.settimeout(seconds)
        made.sendall(data)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            for part in iter(partial(made.recv, 65536), b""):
                received += part
    return received
