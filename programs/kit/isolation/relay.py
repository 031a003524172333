"""What an environment can reach outside its domain: ``python -m programs.kit.isolation.relay CONFIG``.

One process serves all environments. For each it has listening sockets on the domain's loopback: PostgreSQL, a proxy for
outbound requests (``egress``), and the environment's own host names (``own_hosts``). A socket tells which environment
a connection comes from, so none can speak for another, and each has a limited number of connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from programs.kit.isolation import namespaces, sockets
from programs.kit.isolation.connection_limits import ConnectionLimit
from programs.kit.isolation.egress import EgressProxy
from programs.kit.isolation.own_hosts import OwnHosts
from programs.kit.isolation.public_urls import PublicUrls
from programs.kit.isolation.streams import Handler, splice

PROXY_PORT = 3128
SOCKET = "relay.sock"
SCAN_SECONDS = 1.0
DATABASE_CONNECTIONS = 64
"""Of one environment. PostgreSQL counts a session for its role only once it's authenticated."""
PROXY_CONNECTIONS = 128
OWN_CONNECTIONS = 128
log = logging.getLogger("eph.relay")
GuardedHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """``database``: PostgreSQL's address outside, a host or the folder of its socket, and the port. Inside, it is
    127.0.0.1:``database_port``. ``own_port``: the port in the URLs of previews. ``egress_allow`` is None if there is no
    proxy; ``egress_proxy``: the URL of the one through which this machine reaches the internet."""

    folder: str
    environments: str
    routes: str
    database: tuple[str, int]
    database_port: int
    own_port: int
    egress_allow: tuple[str, ...] | None
    egress_proxy: str = ""
    public_scheme: str = ""
    """``http`` or ``https`` if the environments run elsewhere, and their URLs lead there."""
    database_connections: int = 0
    """The most that all environments together have to PostgreSQL; 0: as many as it accepts."""
    code: str = ""
    """A digest of the code, because a process of an earlier version must not keep serving."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RelayConfig:
        data = json.loads(text)
        allow = data["egress_allow"]
        host, port = data["database"]
        return cls(**{**data, "database": (host, port), "egress_allow": None if allow is None else tuple(allow)})


@dataclass(slots=True)
class _Served:
    """The listeners of one environment, for the domain with this record."""

    record: dict[str, Any]
    servers: list[asyncio.Server] = field(default_factory=list)

    def close(self) -> None:
        for server in self.servers:
            server.close()


class Relay:
    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._environments = Path(config.environments)
        self._served: dict[str, _Served] = {}
        self._lock = asyncio.Lock()
        self._to_database = ConnectionLimit(config.database_connections)

    async def run(self) -> None:
        await self.scan()
        async with await asyncio.start_unix_server(self._answer, SOCKET):
            while True:
                await asyncio.sleep(SCAN_SECONDS)
                await self.scan()

    async def scan(self) -> None:
        """Serves every domain, and drops those that have ended."""
        found = self._domains()
        for name in self._served.keys() - found:
            self._served.pop(name).close()
        for name in sorted(found):
            with contextlib.suppress(OSError, ValueError):
                await self.serve(name)

    def _domains(self) -> set[str]:
        return {path.parent.parent.name for path in self._environments.glob("*/run/domain.json")}

    async def serve(self, name: str) -> None:
        """Returns once the environment's listeners accept connections."""
        async with self._lock:
            path = str(self._environments / name / "run" / "domain.json")
            record = namespaces.read(path)
            served = self._served.get(name)
            if (served and served.record == record) or not namespaces.is_alive(path):
                return
            if served:
                served.close()
            self._served[name] = await self._listen(name, record)

    async def _listen(self, name: str, record: dict[str, Any]) -> _Served:
        handlers = self._handlers(name)
        made = await asyncio.to_thread(sockets.request, Path(self._config.folder), name, 0, list(handlers))
        served = _Served(record)
        for listener, handler in zip(made, handlers.values(), strict=True):
            listener.setblocking(False)
            served.servers.append(await asyncio.start_server(handler, sock=listener))
        return served

    def _handlers(self, name: str) -> dict[int, GuardedHandler]:
        """By the port in the environment's domain."""
        config = self._config
        found = {
            config.own_port: guarded(self._own_urls(name), ConnectionLimit(OWN_CONNECTIONS)),
            config.database_port: guarded(self._database, ConnectionLimit(DATABASE_CONNECTIONS, self._to_database)),
        }
        if config.egress_allow is not None:
            egress = EgressProxy(config.egress_allow, config.egress_proxy)
            found[PROXY_PORT] = guarded(egress.handle, ConnectionLimit(PROXY_CONNECTIONS))
        return found

    def _own_urls(self, name: str) -> Handler:
        config = self._config
        if config.public_scheme:
            run_folder = self._environments / name / "run"
            return PublicUrls(run_folder, config.own_port, tls=config.public_scheme == "https").handle
        return OwnHosts(name, Path(config.routes), Path(config.folder)).handle

    async def _database(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._config.database
        if host.startswith("/"):
            far = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            far = await asyncio.open_connection(host, port)
        await splice(reader, writer, *far)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """``NAME`` on a line: serve that environment now."""
        name = (await reader.readline()).decode().strip()
        try:
            await self.serve(name)
            writer.write(b"ok\n")
        except (OSError, ValueError) as error:
            writer.write(f"{error}\n".encode())
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


def guarded(handler: Handler, limit: ConnectionLimit) -> GuardedHandler:
    """Closes the connection once the handler ends or fails, and at once if it exceeds the limit."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with limit.taken():
                await handler(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.debug("a connection ended: %s", error)
        finally:
            writer.close()

    return handle


def _allow_many_files() -> None:
    """Each connection takes two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(path: str) -> None:
    config = RelayConfig.from_json(Path(path).read_text())
    os.chdir(config.folder)  # a short name: the kernel limits the path of a unix socket
    Path(SOCKET).unlink(missing_ok=True)
    _allow_many_files()
    relay = Relay(config)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(relay.run())


if __name__ == "__main__":
    main(sys.argv[1])
