"""The environment's own URLs, as visitors reach them, from inside a domain in which none of its services run.

For test suites of targets whose environments are elsewhere. Their names lead to the domain's loopback, and from there
to the front on the port of the URLs: the gateway, an ingress controller or a load balancer. The names of other
environments and of Eph itself lead to the same front, so a plain HTTP connection serves one request, for one of the
environment's own names. A TLS connection starts with one of these names; what follows, only its ends can read.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Coroutine, Iterable
from pathlib import Path

from programs.kit import files
from programs.kit.isolation import client_hello
from programs.kit.isolation.egress import is_metadata
from programs.kit.isolation.lookups import Lookups
from programs.kit.isolation.streams import CHUNK, RequestHead, copy, encode, end_to_end, read_head, splice

FILE = "public-hosts.json"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
_LOOPBACK = "127.0.0.1"
LOOPBACK_SUFFIX = ".localhost"
_DENIED = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_SWITCHING = b" 101 "


def write_hosts(run_folder: Path, names: Iterable[str]) -> None:
    files.write(run_folder / FILE, json.dumps(sorted(names)))


class PublicUrls:
    """``run_folder`` contains the list of names. ``port`` and ``tls`` are those of the URLs."""

    def __init__(self, run_folder: Path, port: int, *, tls: bool) -> None:
        self._file = run_folder / FILE
        self._port = port
        self._tls = tls
        self._lookups = Lookups()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names = self._names()
        if self._tls:
            await self._handle_tls(names, reader, writer)
            return
        head, _ = await read_head(reader)
        if not _is_plain(head):
            writer.write(_DENIED % b"400 Bad Request")
        elif (name := _host_name(head)) not in names:
            writer.write(_DENIED % b"404 Not Found")
        else:
            await _one_request(head, reader, writer, *await self._connect(name))

    async def _handle_tls(self, names: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            name, hello = await client_hello.read(reader)
        except ValueError:
            name, hello = "", b""
        if name not in names:
            writer.write(client_hello.UNRECOGNIZED_NAME)
            return
        far, near = await self._connect(name)
        near.write(hello)
        await splice(reader, writer, far, near)

    def _names(self) -> list[str]:
        try:
            return list(map(str, json.loads(self._file.read_text())))
        except FileNotFoundError:
            return []

    async def _connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = _LOOPBACK if name.endswith(LOOPBACK_SUFFIX) else await self._resolve(name)
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(address, self._port)

    async def _resolve(self, name: str) -> str:
        address = (await self._lookups.addresses(name, self._port))[0]
        if is_metadata(ipaddress.ip_address(address)):
            raise ConnectionRefusedError(address)
        return address


async def _one_request(
    head: RequestHead,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far: asyncio.StreamReader,
    near: asyncio.StreamWriter,
) -> None:
    """Nothing of the client follows the head of a WebSocket's handshake unless the front accepts it."""
    upgrade = head.header("upgrade")
    own = ["Connection: Upgrade", f"Upgrade: {upgrade}"] if upgrade else ["Connection: close"]
    near.write(encode([f"{head.method} {head.target} {head.version}", *end_to_end(head.fields), *own]))
    if not upgrade:
        await splice(reader, writer, far, near)
        return
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await far.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if _SWITCHING in answer.split(b"\r\n")[0] + b" ":
            await splice(reader, writer, far, near)
        else:
            await _first_of(copy(far, writer), _discard(reader))
    finally:
        near.close()


async def _first_of(*work: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(CHUNK):
        pass


def _is_plain(head: RequestHead) -> bool:
    """Whether every server reads it the same way: an absolute URL or a second host would override the first."""
    is_for_host = head.target.startswith("/") and bool(head.header("host"))
    return head.is_unambiguous and head.version == "HTTP/1.1" and is_for_host


def _host_name(head: RequestHead) -> str:
    return head.header("host").lower().rpartition(":")[0] or head.header("host").lower()
