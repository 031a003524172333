"""Copies bytes between two connections, and reads the head of an HTTP request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CHUNK = 64 * 1024
MAX_HEAD = 64 * 1024
HEAD_SECONDS = 30.0
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """``fields`` are the header lines as they were sent."""

    method: str
    target: str
    version: str
    fields: tuple[str, ...]

    def header(self, name: str) -> str:
        """The value of a header that occurs exactly once; otherwise empty."""
        found = [line.partition(":")[2].strip() for line in self.fields if _name(line) == name.lower()]
        return found[0] if len(found) == 1 else ""


async def read_head(reader: asyncio.StreamReader) -> tuple[RequestHead, bytes]:
    """The head, and its bytes. Raises ValueError if it isn't one."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise ValueError("the head of a request is too long") from None
    first, *fields = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if not version or " " in version:
        raise ValueError("the first line isn't a request")
    return RequestHead(method, target, version, tuple(fields)), raw


async def splice(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: asyncio.StreamReader, near: asyncio.StreamWriter
) -> None:
    """Copies both directions until both have ended; the end of one is passed on."""
    try:
        await asyncio.gather(copy(reader, near), copy(far, writer))
    finally:
        near.close()


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies one direction until it has ended, and passes the end on."""
    try:
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            if sink.can_write_eof():
                sink.write_eof()
    except OSError:
        sink.close()


def _name(line: str) -> str:
    return line.partition(":")[0].strip().lower()
