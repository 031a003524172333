"""Passes sockets out of environments' domains: ``python -I -S broker.py FOLDER ENVIRONMENTS``.

A socket belongs to the network namespace in which it was created, wherever it is used later. The broker joins a
domain in a short-lived child, creates unconnected TCP sockets there and passes them to whoever asked: the gateway and
the health check connect them to the environment's services. So nothing of an environment listens on this machine, and
only the environment itself can answer for it. Only Eph's own user can enter FOLDER.

A request is one line of JSON: ``environment``, ``count``, and ``listen``, ports of the domain's loopback for
listening sockets. The response is ``ok`` with the sockets attached, or the error's text.
"""

# ruff: noqa: PTH118, PTH120
# Importing pathlib takes as long as everything else here.

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__)))))

from programs.kit.isolation import namespaces

SOCKET = "broker.sock"
MAX_SOCKETS = 64
MAX_REQUEST = 4096
REQUEST_SECONDS = 10.0
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def main(folder: str, environments: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.chdir(folder)  # a short name: the kernel limits the path of a unix socket
    if os.path.lexists(SOCKET):
        os.unlink(SOCKET)  # noqa: PTH108 - relative to the folder that it changed to
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(SOCKET)
        listener.listen(256)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve(connection, environments)
                os._exit(0)
            connection.close()


def _serve(connection: socket.socket, environments: str) -> None:
    connection.settimeout(REQUEST_SECONDS)
    try:
        made = _create(json.loads(_line(connection)), environments)
    except Exception as error:  # noqa: BLE001 - the child's last act: whatever happened, the client learns it
        connection.sendall(f"{type(error).__name__}: {error}".encode())
        return
    socket.send_fds(connection, [b"ok"], [item.fileno() for item in made])


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < MAX_REQUEST:
        more = connection.recv(MAX_REQUEST)
        if not more:
            break
        data += more
    return data


def _create(request: dict[str, object], environments: str) -> list[socket.socket]:
    name, count, listen = str(request["environment"]), int(str(request.get("count", 0))), request.get("listen", [])
    if not _LABEL.fullmatch(name) or not isinstance(listen, list) or not 0 < count + len(listen) <= MAX_SOCKETS:
        raise ValueError("invalid request")
    namespaces.enter(os.path.join(environments, name, "run", "domain.json"))
    return [socket.socket() for _ in range(count)] + [_listener(int(port)) for port in listen]


def _listener(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
