"""The HTTP proxy for outbound requests of environments: ``CONNECT`` for TLS, absolute URLs for plain HTTP.

It connects to public addresses only: not to this machine, its networks, link-local or metadata addresses, unless the
setting ``egress_allow`` names the network. A name is resolved here, once, and the connection uses the very address that
was checked, so a name can't resolve to something else afterwards.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from programs.kit.isolation.streams import RequestHead, read_head, splice

CONNECT_SECONDS = 10.0
_NEVER = (
    "169.254.0.0/16",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "100.100.100.200/32",
    "fd00:ec2::254/128",
    "64:ff9b:1::/48",
)
NEVER = tuple(map(ipaddress.ip_network, _NEVER))
"""Metadata endpoints, and NAT64 with a local prefix, which can hide one: refused even within an allowed network."""
_LAST_BITS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""NAT64 and the deprecated IPv4-compatible form: the last 32 bits are the IPv4 address."""
_HOP = ("proxy-authorization:", "proxy-connection:", "connection:", "keep-alive:")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """The address isn't public."""


class EgressProxy:
    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allow = [ipaddress.ip_network(item) for item in allow]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_head(reader)
        try:
            host, port, path = _destination(head)
            far, near = await self._connect(host, port)
        except Refused as error:
            writer.write(_answer("403 Forbidden", str(error)))
            return
        except (OSError, ValueError, TimeoutError) as error:
            writer.write(_answer("502 Bad Gateway", f"The destination can't be reached: {error}"))
            return
        if head.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            near.write(_origin_form(head, path))
        await splice(reader, writer, far, near)

    def permits(self, address: Address) -> bool:
        embedded = _embedded(address)
        if embedded is not None:
            return self.permits(embedded)
        if any(address in network for network in NEVER):
            return False
        allowed = any(address in network for network in self._allow)
        return allowed or (address.is_global and not address.is_multicast)

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        permitted = [item for item in found if self.permits(ipaddress.ip_address(str(item[4][0]).partition("%")[0]))]
        if not permitted:
            raise Refused(f"{host} isn't a public address. An operator can allow its network: setting egress_allow.")
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(*permitted[0][4][:2])


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64 or compatible."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _LAST_BITS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def _destination(head: RequestHead) -> tuple[str, int, str]:
    if head.method == "CONNECT":
        host, _, port = head.target.rpartition(":")
        return host.strip("[]"), int(port), ""
    scheme, _, rest = head.target.partition("://")
    authority, slash, path = rest.partition("/")
    if scheme.lower() != "http" or not authority or "@" in authority:
        raise ValueError("the proxy accepts http:// URLs and CONNECT")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority.strip("[]"), 80, slash + path or "/"
    return host.strip("[]"), int(port), slash + path or "/"


def _origin_form(head: RequestHead, path: str) -> bytes:
    """One request a connection: a second one could be for another destination."""
    fields = [line for line in head.fields if not line.lower().startswith(_HOP)]
    lines = [f"{head.method} {path} {head.version}", *fields, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _answer(status: str, text: str) -> bytes:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
