"""Copies bytes between two connections, and reads the head of an HTTP request."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

CHUNK = 64 * 1024
MAX_HEAD = 64 * 1024
HEAD_SECONDS = 30.0
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METHOD = re.compile(_WORD)
_TARGET = re.compile(r"[!-~]+")
_VERSION = re.compile(r"HTTP/1\.[01]")
_FIELD = re.compile(_WORD + r":[^\x00-\x08\x0a-\x1f\x7f]*")
_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"})
"""Headers that are for one connection only."""
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

    @property
    def is_unambiguous(self) -> bool:
        """Whether every server finds this head and nothing else in its bytes. Some take a bare LF for the end of a
        line, a TAB for a space, or ``Host :`` for ``Host:``."""
        first = _METHOD.fullmatch(self.method) and _TARGET.fullmatch(self.target) and _VERSION.fullmatch(self.version)
        return bool(first) and all(map(_FIELD.fullmatch, self.fields))


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


def end_to_end(fields: Iterable[str], replaced: frozenset[str] = frozenset()) -> list[str]:
    """The header lines for the server at the end: without those of the connection, and without ``replaced``."""
    return [line for line in fields if _name(line) not in _HOP | replaced]


def encode(lines: Iterable[str]) -> bytes:
    """The head of a request with these lines."""
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


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
