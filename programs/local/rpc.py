"""Talks to supervisord: XML-RPC over its unix socket. Only its own answers are parsed."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

SECONDS = 30.0
UNKNOWN_METHOD = 1
BAD_NAME = 10
ALREADY_STARTED = 60
NOT_RUNNING = 70
ALREADY_ADDED = 90
STILL_RUNNING = 91

__all__ = ["ALREADY_ADDED", "ALREADY_STARTED", "BAD_NAME", "NOT_RUNNING", "STILL_RUNNING", "Fault", "proxy"]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path)

    def send_headers(self, connection: http.client.HTTPConnection, headers: list[tuple[str, str]]) -> None:
        # One request a connection: nothing to keep open, nothing shared between threads.
        super().send_headers(connection, [*headers, ("Connection", "close")])


def proxy(path: Path) -> Any:
    """The ``supervisor`` namespace of the daemon that listens there."""
    return xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(str(path))).supervisor
