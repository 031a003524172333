"""L5: a service is noticed as soon as it listens. The attempts before that are refused, all with the same socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from programs.kit.isolation.sockets import LOOPBACK, Dialer


def _sockets(_folder: Path, _environment: str) -> list[socket.socket]:
    """What the broker returns, on this machine's network."""
    return [socket.socket()]


def test_each_attempt_is_refused_until_something_listens() -> None:
    with socket.socket() as server, Dialer(Path(), "shop", _sockets) as dialer:
        server.bind((LOOPBACK, 0))
        port = server.getsockname()[1]
        for _ in range(4):
            with pytest.raises(ConnectionRefusedError):
                dialer.connect(port, 1.0)
        server.listen()
        dialer.connect(port, 1.0).close()
