"""Whom to count as one client where a limit must not be shared by everybody."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

MAX_CACHED = 10_000


@lru_cache(maxsize=MAX_CACHED)
def client_network(address: str) -> str:
    """A person has one IPv4 address but 2**64 IPv6 addresses, which count as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
