"""The server name in the first message of a TLS connection, as a real client sends it and as an attacker might (S3)."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from programs.kit.isolation import client_hello

NAME = "shop-1.example.com"


def hello(name: str = NAME) -> bytes:
    """The first record of a real client."""
    out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def read(data: bytes) -> str:
    async def run() -> str:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        name, raw = await client_hello.read(reader)
        assert data.startswith(raw)
        return name

    return asyncio.run(run())


def renamed(name: bytes) -> bytes:
    """With another name of the same length."""
    return hello().replace(NAME.encode(), name)


def test_name_of_a_real_client() -> None:
    assert read(hello()) == NAME
    assert read(hello() + b"more records") == NAME
    assert read(renamed(NAME.upper().encode())) == NAME


@pytest.mark.parametrize(
    "data",
    [
        renamed(b"shop-1.example.c\xf6m"),
        hello().replace(b"\0\0\0\x17\0\x15\0\0\x12", b"\0\0\0\x17\0\x15\1\0\x12"),  # not the name of a host
        hello().replace(b"\0\0\0\x17\0\x15", b"\x5a\x5a\0\x17\0\x15"),  # an unknown extension instead
        hello()[:3] + b"\0\x40" + hello()[5:],  # only the beginning in the first record
        hello()[:3] + (len(hello()) - 4).to_bytes(2) + hello()[5:] + b"x",  # more than the message
        b"\x16\x03\x01\0\0",
        b"\x17" + hello()[1:],
        hello()[:5] + b"\x02" + hello()[6:],
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
    ],
)
def test_anything_that_a_server_could_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # an attacker needs no explanation
        read(data)


def test_a_second_name_is_refused() -> None:
    data, marker = hello(), b"\0\0\0\x17\0\x15\0\0\x12" + NAME.encode()
    assert marker in data
    start = data.index(marker)
    body = bytearray(data.replace(marker, marker * 2))
    for offset, size in ((3, 2), (6, 3), (start - 2 - _before(data, start), 2)):
        length = int.from_bytes(body[offset : offset + size]) + len(marker)
        body[offset : offset + size] = length.to_bytes(size)
    with pytest.raises(ValueError, match="names no server"):
        read(bytes(body))


def _before(data: bytes, start: int) -> int:
    """How many bytes of other extensions precede the name."""
    for before in range(start):
        place = start - 2 - before
        if int.from_bytes(data[place : place + 2]) == len(data) - place - 2:
            return before
    raise AssertionError(data)


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_an_incomplete_message_is_refused(cut: int) -> None:
    with pytest.raises((ValueError, asyncio.IncompleteReadError)):
        read(hello()[:cut])
    shorter = hello()[:cut]
    with pytest.raises((ValueError, asyncio.IncompleteReadError)):
        read(shorter[:3] + max(0, cut - 5).to_bytes(2) + shorter[5:])
