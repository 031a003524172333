"""Whether packets for an address stay on this machine, as the kernel's routes say.

Addresses of interfaces aren't all: a cloud's agent adds local routes for the addresses of load balancers. Binding to
the address isn't proof either: with ``net.ipv4.ip_nonlocal_bind``, every address can be bound.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

_RTM_NEWROUTE, _RTM_GETROUTE, _NLM_F_REQUEST, _RTA_DST = 24, 26, 1, 1
_RTN_LOCAL, _RTN_ANYCAST = 2, 4
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")


def is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """False also if no route leads there, because then no connection does either."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    destination = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(address.packed), _RTA_DST) + address.packed
    message = _ROUTE.pack(family, address.max_prefixlen, *[0] * 7) + destination
    header = _HEADER.pack(_HEADER.size + len(message), _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
        kernel.send(header + message)
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _RTM_NEWROUTE:
        return False
    return _ROUTE.unpack_from(answer, _HEADER.size)[7] in (_RTN_LOCAL, _RTN_ANYCAST)
