"""Binds the addresses that ephd listens on, and explains failures with the setting's name."""

from __future__ import annotations

import socket

from orchestrator.config.settings.setting_types import host_and_port
from orchestrator.runtime import wording


class StartupError(RuntimeError):
    """ephd can't start; the message says why and what to change."""


def open_listener(setting: str, address: str) -> socket.socket:
    """A listening socket, bound at once, so that a conflict is detected before anything else starts."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise StartupError(wording.startup.address_unusable(setting, address, port, error)) from error
    return sock


def check_free(setting: str, address: str) -> None:
    open_listener(setting, address).close()
