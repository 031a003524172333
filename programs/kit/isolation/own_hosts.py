"""The environment's own URLs, from inside it: a test suite or a service that requests them gets its own services.

The gateway stays out of reach, and with it every other environment and Eph's API. A connection goes to the service that
its first request names.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from programs.kit import routes
from programs.kit.isolation import sockets
from programs.kit.isolation.streams import read_head, splice

_UNKNOWN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class OwnHosts:
    def __init__(self, environment: str, routes_folder: Path, broker: Path) -> None:
        self._environment = environment
        self._routes = routes_folder
        self._broker = broker

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, raw = await read_head(reader)
        port = self._port(head.header("host").lower())
        if port is None:
            writer.write(_UNKNOWN)
            return
        made = (await asyncio.to_thread(sockets.request, self._broker, self._environment, 1))[0]
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        far, near = await asyncio.open_connection(sock=made)
        near.write(raw)
        await splice(reader, writer, far, near)

    def _port(self, host: str) -> int | None:
        name = host.rpartition(":")[0] if ":" in host else host
        for route in routes.list_routes(self._routes):
            if route.host == name and route.environment == self._environment and route.isolated:
                return int(route.upstream.rpartition(":")[2])
        return None
