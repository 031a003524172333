"""The HTTP proxy for outbound requests of environments: ``CONNECT`` for TLS, absolute URLs for plain HTTP.

It connects to public addresses only: not to this machine, even at a public address, nor to its networks, link-local or
metadata addresses, unless the setting ``egress_allow`` names the network. A name is resolved here, once, and the
connection uses the very address that was checked, so a name can't resolve to something else afterwards.

If this machine itself needs a proxy, requests go through that one, which resolves names again. Names that don't resolve
here are passed on unless they belong to a private network. Allowed networks are reached directly. A request is passed
on only if every server reads it the same way, and its destination is written from the parts that were checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple

from programs.kit.isolation import local_addresses, wording
from programs.kit.isolation.lookups import Lookups
from programs.kit.isolation.streams import RequestHead, encode, end_to_end, read_head, splice
from programs.kit.isolation.upstream_proxy import Streams, UpstreamProxy, is_private_name

CONNECT_SECONDS = 10.0
_CLOSED = (
    "169.254.0.0/16",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "100.100.100.200/32",
    "fd00:ec2::254/128",
    "64:ff9b:1::/48",
)
_NEVER = tuple(map(ipaddress.ip_network, _CLOSED))
"""Metadata endpoints, and NAT64 with a local prefix, which can hide one: refused even within an allowed network."""
_LAST_BITS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""NAT64 and the deprecated IPv4-compatible form: the last 32 bits are the IPv4 address."""
_REPLACED = frozenset({"proxy-authorization", "host"})
_PORT = r"(?P<port>[0-9]{1,5})"
_HOST = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_AUTHORITY = re.compile(f"{_HOST}:{_PORT}")
_URL = re.compile(rf"(?i:http)://{_HOST}(?::{_PORT})?(?P<path>/.*)?")
_HTTP_PORT, _MAX_PORT = 80, 65535
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """The address isn't public."""


class Destination(NamedTuple):
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTP_PORT else f"{host}:{self.port}"


class EgressProxy:
    """Of one environment."""

    def __init__(self, allow: Sequence[str] = (), upstream: str = "") -> None:
        self._allow = [ipaddress.ip_network(item) for item in allow]
        self._upstream = UpstreamProxy.parse(upstream) if upstream else None
        self._lookups = Lookups()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head, _ = await read_head(reader)
            place = _destination(head)
        except ValueError as error:
            writer.write(_answer("400 Bad Request", str(error)))
            return
        try:
            addresses = await self._permitted_addresses(place.host, place.port)
            upstream = None if any(map(self._is_allowed, addresses)) else self._upstream
            far, near = await _connect(head, (place.host, place.port), addresses, upstream)
        except Refused as error:
            writer.write(_answer("403 Forbidden", str(error)))
            return
        except (OSError, ValueError, TimeoutError) as error:
            writer.write(_answer("502 Bad Gateway", wording.unreachable(error)))
            return
        if head.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        elif upstream:
            near.write(upstream.request(_request(head, place, f"http://{place.authority}{place.path}")))
        else:
            near.write(encode(_request(head, place, place.path)))
        await splice(reader, writer, far, near)

    def permits(self, address: Address) -> bool:
        if is_metadata(address):
            return False
        embedded = _embedded(address)
        if embedded is not None:
            return self.permits(embedded)
        if self._is_allowed(address):
            return True
        return address.is_global and not address.is_multicast and not local_addresses.is_local(address)

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allow)

    async def _permitted_addresses(self, host: str, port: int) -> list[Address]:
        """Empty if only the upstream proxy can resolve the name."""
        try:
            found = await self._lookups.addresses(host, port)
        except (socket.gaierror, TimeoutError):
            if self._upstream and not is_private_name(host):
                return []
            raise
        addresses = [ipaddress.ip_address(item) for item in found]
        permitted = [address for address in addresses if self.permits(address)]
        if not permitted or (self._upstream and len(permitted) < len(addresses)):
            raise Refused(wording.not_public(host))
        return permitted


def is_metadata(address: Address) -> bool:
    """In any form, also as the IPv4 address that an IPv6 address stands for."""
    embedded = _embedded(address)
    return is_metadata(embedded) if embedded is not None else any(address in network for network in _NEVER)


async def _connect(
    head: RequestHead, place: tuple[str, int], addresses: Sequence[Address], upstream: UpstreamProxy | None
) -> Streams:
    if upstream:
        return await (upstream.tunnel(*place) if head.method == "CONNECT" else upstream.open())
    async with asyncio.timeout(CONNECT_SECONDS):
        return await asyncio.open_connection(str(addresses[0]), place[1])


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64 or compatible."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _LAST_BITS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def _destination(head: RequestHead) -> Destination:
    """Raises ValueError if another server could read the destination differently."""
    tunnel = head.method == "CONNECT"
    found = (_AUTHORITY if tunnel else _URL).fullmatch(head.target)
    if found is None or not head.is_unambiguous:
        raise ValueError(wording.NOT_A_PROXY_REQUEST)
    port = int(found["port"] or _HTTP_PORT)
    if not 0 < port <= _MAX_PORT:
        raise ValueError(wording.NOT_A_PROXY_REQUEST)
    return Destination(found["host"].strip("[]"), port, "" if tunnel else found["path"] or "/")


def _request(head: RequestHead, place: Destination, target: str) -> list[str]:
    """One request a connection: a second one could be for another destination."""
    lines = [f"{head.method} {target} {head.version}", f"Host: {place.authority}"]
    return [*lines, *end_to_end(head.fields, _REPLACED), "Connection: close"]


def _answer(status: str, text: str) -> bytes:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
