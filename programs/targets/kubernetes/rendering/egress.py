"""Which networks previews can reach outside their namespace.

Never private networks, which contain other environments and the cluster itself; never an address at which a cloud
serves credentials to its machines; and not the API server. The same IPv4 addresses are closed in every form in which an
IPv6 network can carry them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from programs.targets.kubernetes.settings import KubernetesSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE_NETWORKS = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE_NETWORKS_V6 = ("fc00::/7", "fe80::/10", "::1/128")
METADATA_ADDRESSES = ("100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16", "192.0.0.192/32")
"""Alibaba, Azure, nearly every cloud, and Oracle."""
METADATA_ADDRESSES_V6 = ("fd00:ec2::254/128",)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""The translation that IPv6-only clusters reach the internet by. Only the closed addresses are closed in it."""
EMBEDDING_NETWORKS = ("::/80", "64:ff9b:1::/48", "2002::/16")
"""Other networks whose addresses contain IPv4 addresses: mapped and compatible, local NAT64, 6to4. Nothing on the
internet needs them. The mapped ones aren't listed by themselves: Kubernetes takes ::ffff:0:0/96 for an IPv4 network."""
EVERYWHERE = ("0.0.0.0/0", "::/0")


def blocks(settings: KubernetesSettings, api_server: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The peers of a network policy. ``egress_allow`` opens what it lists, private networks included, but an address
    that serves credentials, or the API server, only if an entry names nothing larger than it."""
    special = [*METADATA_ADDRESSES, *METADATA_ADDRESSES_V6, *api_server]
    found = [_block(network, special) for network in settings.allowed_networks]
    if settings.egress == "internet":
        closed = [*PRIVATE_NETWORKS, *PRIVATE_NETWORKS_V6, *EMBEDDING_NETWORKS, *special]
        found += [_block(network, closed) for network in EVERYWHERE]
    return found


def _block(cidr: str, closed: Iterable[str]) -> dict[str, Any]:
    network = ipaddress.ip_network(cidr)
    inside = {each for item in closed for each in _forms(item) if _is_inside(each, network)}
    wide = [each for each in inside if not any(_is_inside(each, other) for other in inside)]
    excluded = [str(each) for each in sorted(wide, key=lambda each: (int(each.network_address), each.prefixlen))]
    return {"ipBlock": {"cidr": cidr, **({"except": excluded} if excluded else {})}}


def _forms(cidr: str) -> Iterator[Network]:
    network = ipaddress.ip_network(cidr)
    yield network
    if isinstance(network, ipaddress.IPv4Network):
        first = int(NAT64.network_address) + int(network.network_address)
        yield ipaddress.IPv6Network((first, NAT64.prefixlen + network.prefixlen))


def _is_inside(network: Network, other: Network) -> bool:
    """Strictly."""
    return network != other and network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]  # the same version
