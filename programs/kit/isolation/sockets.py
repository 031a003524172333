"""Asks the broker for sockets in an environment's domain."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from programs.kit.isolation import wording

TIMEOUT = 10.0
LOOPBACK = "127.0.0.1"
MAX_SOCKETS = 64
BATCH = 8
Connect = Callable[[int, float], socket.socket]
"""Connects to a port, within a number of seconds."""
RequestSockets = Callable[[Path, str], list[socket.socket]]


class NoDomain(OSError):
    """The environment has no domain, or the broker doesn't run."""


def folder_beside(routes: Path) -> Path:
    """Where the broker listens: a private folder next to the routes, where the gateway finds it."""
    return routes.parent / "sockets"


def request(folder: Path, environment: str, count: int = BATCH, listen: Sequence[int] = ()) -> list[socket.socket]:
    """Unconnected sockets in the domain, then one listening socket for each port in ``listen``."""
    question = {"environment": environment, "count": min(count, MAX_SOCKETS), "listen": list(listen)}
    try:
        with _connect(folder) as connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            answer, descriptors, _, _ = socket.recv_fds(connection, 1000, MAX_SOCKETS)
    except OSError as error:
        raise NoDomain(wording.broker_down(error)) from None
    if answer != b"ok":
        raise NoDomain(wording.no_domain(environment, answer.decode(errors="replace")))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


class Dialer:
    """Connects to the loopback ports of one environment. For one thread. Closes its unused sockets at the end."""

    def __init__(self, folder: Path, environment: str, request: RequestSockets = request) -> None:
        self._folder = folder
        self._environment = environment
        self._request = request
        self._spare: list[socket.socket] = []

    def connect(self, port: int, timeout: float) -> socket.socket:
        """Raises ConnectionRefusedError while nothing listens on ``port``, NoDomain if there is no domain."""
        if not self._spare:
            self._spare = self._request(self._folder, self._environment)
        made = self._spare.pop()
        made.settimeout(timeout)
        try:
            _connect_socket(made, port)
        except ConnectionRefusedError:
            self._spare.append(made)  # Linux lets a refused socket try again
            raise
        except BaseException:
            made.close()
            raise
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._spare:
            self._spare.pop().close()


def _connect_socket(made: socket.socket, port: int) -> None:
    try:
        made.connect((LOOPBACK, port))
    except ConnectionAbortedError:  # Linux: the first attempt after a refused one only resets the socket
        made.connect((LOOPBACK, port))


@contextlib.contextmanager
def connecting(folder: Path, environment: str, *, isolated: bool) -> Iterator[Connect]:
    """Connects to the environment's ports: in its domain, where nothing else can answer for it, or on this machine."""
    if not isolated:
        yield lambda port, timeout: socket.create_connection((LOOPBACK, port), timeout)
        return
    with Dialer(folder, environment) as dialer:
        yield dialer.connect


@contextlib.contextmanager
def _connect(folder: Path) -> Iterator[socket.socket]:
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            # The folder's path may be longer than a unix socket's may be.
            connection.connect(f"/proc/self/fd/{opened}/broker.sock")
            yield connection
    finally:
        os.close(opened)
