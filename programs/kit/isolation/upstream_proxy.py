"""The proxy through which this machine reaches the internet, if it has one: requests of environments pass both."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from programs.kit.isolation import wording
from programs.kit.isolation.streams import MAX_HEAD, encode

CONNECT_SECONDS = 30.0
_DEFAULT_PORTS = {"http": 80, "https": 443}
PRIVATE_SUFFIXES = (".internal", ".local", ".localhost", ".lan", ".home.arpa", ".intranet", ".corp", ".svc")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class UpstreamProxy:
    """``authorization`` is a header line, empty without an account."""

    host: str
    port: int
    tls: bool
    authorization: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError if it isn't the URL of an HTTP proxy."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("use http://HOST:PORT or https://HOST:PORT")
        authorization = ""
        if parts.username is not None:
            account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Proxy-Authorization: Basic {base64.b64encode(account.encode()).decode()}"
        return cls(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "https", authorization)

    async def open(self) -> Streams:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(self.host, self.port, ssl=self.tls or None)

    async def tunnel(self, host: str, port: int) -> Streams:
        """A connection to the destination. Raises OSError if the proxy refuses it."""
        far, near = await self.open()
        try:
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            near.write(self.request([f"CONNECT {place} HTTP/1.1", f"Host: {place}"]))
            async with asyncio.timeout(CONNECT_SECONDS):
                answer = await far.readuntil(b"\r\n\r\n")
            status = answer[:MAX_HEAD].split(b"\r\n")[0].decode("latin-1")
            if status.split(" ")[1:2] != ["200"]:
                raise ConnectionRefusedError(wording.proxy_refused(status))
        except BaseException:
            near.close()
            raise
        return far, near

    def request(self, lines: list[str]) -> bytes:
        """The head of a request for the proxy to make."""
        return encode([*lines, self.authorization] if self.authorization else lines)


def is_private_name(host: str) -> bool:
    """Whether a name belongs to a private network, so an upstream proxy mustn't resolve it for an environment."""
    name = host.lower().rstrip(".")
    return "." not in name or name.endswith(PRIVATE_SUFFIXES)
