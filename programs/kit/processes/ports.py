"""Ports of this machine, each reserved for one service of one generation.

They are below the kernel's range for outgoing connections, and survive restarts, because a port is reserved by a file.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from programs.kit import files
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.processes import wording


def _folder(settings: HostSettings) -> Path:
    return settings.root / "ports"


def reserve(settings: HostSettings, owner: str) -> int:
    """A free port for ``owner``, or the one it already has."""
    with files.locked(_folder(settings) / "lock"):
        for port, name in list_reserved(settings):
            if name == owner:
                return port
        taken = {port for port, _ in list_reserved(settings)}
        span = settings.last_port - settings.first_port + 1
        # A random start keeps two servers on one machine from choosing the same ports.
        start = secrets.randbelow(span)
        for step in range(span):
            port = settings.first_port + (start + step) % span
            if port not in taken and is_free(port):
                files.write(_folder(settings) / str(port), json.dumps({"owner": owner}))
                return port
    raise TargetError(wording.no_free_port(settings.first_port, settings.last_port))


def release(settings: HostSettings, owners: set[str]) -> None:
    for port, name in list_reserved(settings):
        if name in owners:
            (_folder(settings) / str(port)).unlink(missing_ok=True)


def release_port(settings: HostSettings, port: int) -> None:
    reservation_file(settings, port).unlink(missing_ok=True)


def reservation_file(settings: HostSettings, port: int) -> Path:
    """The file that reserves a port."""
    return _folder(settings) / str(port)


def list_reserved(settings: HostSettings) -> Iterator[tuple[int, str]]:
    """Every reserved port and its owner."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(path.name for path in _folder(settings).iterdir()):
            if name.isdigit():
                with contextlib.suppress(FileNotFoundError):
                    yield int(name), json.loads((_folder(settings) / name).read_text())["owner"]


def is_free(port: int) -> bool:
    """Whether nothing listens on that port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
