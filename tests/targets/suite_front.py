"""What serves previews, and the relay through which a suite reaches it; ``make attack`` uses it, too."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from programs.kit.isolation.public_urls import PublicUrls
from tests.gateway.certificates import CertificateAuthority

HOST = "shop-1.localhost"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Front:
    """A gateway or ingress controller that keeps connections open: it answers every request that reaches it."""

    def __init__(self, answer: bytes = OK) -> None:
        self.heads: list[bytes] = []
        self.data = b""
        self._answer = answer

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:  # until the connection ends
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._answer)
                if b"Connection: close" in self.heads[-1]:
                    break
                if b" 101 " in self._answer:
                    self.data = await reader.readexactly(4)
                    writer.write(self.data)
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def opened(
    folder: Path, front: Front, *, tls: bool = False, context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """The port at which a suite finds its URLs."""
    async with await asyncio.start_server(front.handle, "127.0.0.1", 0, ssl=context) as upstream:
        port = upstream.sockets[0].getsockname()[1]
        urls = PublicUrls(folder, port, tls=tls)

        ended = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                await urls.handle(reader, writer)
            await close(writer)
            ended.set()

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
            await asyncio.wait_for(ended.wait(), 5)


def get(host: str = HOST, *fields: str, target: str = "/") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


async def exchange_by_tls(folder: Path, front: Front, name: str | None, version: ssl.TLSVersion) -> bytes:
    """The front's response, or the reason why the connection failed."""
    authority = CertificateAuthority(folder, hosts=("*.localhost",))
    authority.issue()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(authority.certificate_file, authority.key_file)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    async with opened(folder, front, tls=True, context=server) as port:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name or "")
        except ssl.SSLError as error:
            return str(error.reason).lower().replace("_", " ").removeprefix("tlsv1 ").encode()
        writer.write(get())
        answer = await reader.readexactly(len(OK))
        await close(writer)
        return answer
