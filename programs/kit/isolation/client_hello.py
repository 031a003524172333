"""The server name in the first message of a TLS connection, which isn't encrypted (RFC 8446, RFC 6066)."""

from __future__ import annotations

import asyncio

from programs.kit.isolation.streams import HEAD_SECONDS

RECORD_HEADER = 5
MAX_RECORD = 1 << 14
UNRECOGNIZED_NAME = bytes.fromhex("15030300020270")
"""A fatal alert: the client's library reports it as such."""
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0
_VERSION_AND_RANDOM = 2 + 32


async def read(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The name, and the bytes of the record. Raises ValueError if it isn't one record with exactly one name: servers
    could understand anything else differently."""
    async with asyncio.timeout(HEAD_SECONDS):
        header = await reader.readexactly(RECORD_HEADER)
        length = int.from_bytes(header[3:])
        if header[0] != _HANDSHAKE or length > MAX_RECORD:
            raise ValueError("this isn't the start of a TLS connection")
        body = await reader.readexactly(length)
    return server_name(body), header + body


def server_name(record: bytes) -> str:
    handshake = _Fields(record)
    if handshake.number(1) != _CLIENT_HELLO:
        raise ValueError("the first message isn't a ClientHello")
    hello = handshake.vector(3)
    handshake.require_end()
    hello.take(_VERSION_AND_RANDOM)
    for size in (1, 2, 1):  # the session, the cipher suites, the compression methods
        hello.vector(size)
    extensions = hello.vector(2)
    hello.require_end()
    found = [data for kind, data in _extensions(extensions) if kind == _SERVER_NAME]
    if len(found) != 1:
        raise ValueError("the connection names no server")
    return _only_name(found[0])


def _extensions(fields: _Fields) -> list[tuple[int, _Fields]]:
    found = []
    while fields.rest:
        found.append((fields.number(2), fields.vector(2)))
    return found


def _only_name(extension: _Fields) -> str:
    names = extension.vector(2)
    extension.require_end()
    kind, name = names.number(1), names.vector(2)
    names.require_end()
    if kind != _HOST_NAME:
        raise ValueError("the connection names no host")
    return name.rest.decode("ascii").lower()


class _Fields:
    """Consecutive fields of a message. Every method raises ValueError if the message is too short."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise ValueError("the message is incomplete")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Fields:
        """The content of a field that its length precedes, in ``size`` bytes."""
        return _Fields(self.take(self.number(size)))

    def require_end(self) -> None:
        if self.rest:
            raise ValueError("the message is longer than it says")
