"""A client for supervisord: XML-RPC over its unix socket. Each call uses its own connection, so threads share
nothing."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

from programs.kit.processes import wording

TIMEOUT = 30.0
UNKNOWN_METHOD = 1
BAD_NAME = 10
ALREADY_STARTED = 60
NOT_RUNNING = 70
ALREADY_ADDED = 90
STILL_RUNNING = 91

__all__ = [
    "ALREADY_ADDED",
    "ALREADY_STARTED",
    "BAD_NAME",
    "NOT_RUNNING",
    "STILL_RUNNING",
    "UNKNOWN_METHOD",
    "Fault",
    "SupervisorClient",
]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class SupervisorClient:
    """A client for the supervisord that listens on a socket. Only that daemon's responses are parsed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(self, method: str, *arguments: Any) -> Any:
        """``method`` without a namespace is one of supervisord's own. Raises Fault if supervisord refuses the call,
        OSError if it isn't running."""
        body = xmlrpc.client.dumps(arguments, method if "." in method else f"supervisor.{method}")
        connection = _Connection(str(self._path))
        try:
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", "Connection": "close"})
            answer = connection.getresponse()
            data = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(wording.connection_closed(error)) from None
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise ConnectionError(wording.http_status(answer.status))
        values, _ = xmlrpc.client.loads(data)
        return values[0]
