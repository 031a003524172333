"""The addresses of the cluster's API server, which no preview may reach.

Most are in a private network and closed anyway. But an API server can have public addresses, and then the internet
includes it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.api.cluster import AccessDenied, ClusterClient, ObjectNotFound
from programs.targets.kubernetes.settings import KubernetesSettings

ENDPOINTS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def networks(settings: KubernetesSettings) -> tuple[str, ...]:
    """One network per address: those of the kubeconfig's host, and those behind the Service ``kubernetes``."""
    url = cluster.load_kubeconfig(settings.kubeconfig, settings.context).cluster.server
    found = {*_host_addresses(urlsplit(url).hostname or ""), *_endpoint_addresses(cluster.connect(settings))}
    return tuple(sorted({str(ipaddress.ip_network(address.partition("%")[0])) for address in found}))


def _host_addresses(host: str) -> Iterator[str]:
    """Nothing for a name that only a proxy resolves: pods can't resolve it either."""
    try:
        for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            yield str(address[0])
    except OSError:
        return


def _endpoint_addresses(client: ClusterClient) -> Iterator[str]:
    """Nothing if our account may not read them."""
    try:
        slices = client.list_items(ENDPOINTS, labelSelector="kubernetes.io/service-name=kubernetes")
    except (AccessDenied, ObjectNotFound):
        return
    for item in slices:
        if item.get("addressType") in ("IPv4", "IPv6"):
            for endpoint in item.get("endpoints") or []:
                yield from endpoint.get("addresses") or []
