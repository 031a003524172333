"""Connections that the attacker's pods open, and connections into the victim's.

Each attack first sees that the same connection opens from elsewhere: an address without a listener would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried
from tests.attack.cluster.cluster_arena import ClusterArena

FAMILY = Family("pods' network")
OPENS = "a connection opens"
AROUND: dict[str, Callable[[ClusterArena], str]] = {
    "the cloud's metadata service": lambda _: "169.254.169.254:80",
    "the API server by its service": lambda made: f"{_cluster_address(made, 'default', 'kubernetes')}:443",
    "the API server by its node": lambda made: f"{made.node_address}:6443",
    "the kubelet": lambda made: f"{made.node_address}:10250",
    "a registry on the node": lambda made: f"{made.node_address}:5000",
    "a pod that isn't a preview's": lambda made: f"{made.stranger}:8080",
}
VICTIM: dict[str, Callable[[ClusterArena], str]] = {
    "pod": lambda made: f"{made.pod_address(made.victim, 'web')}:8080",
    "service by address": lambda made: f"{_cluster_address(made, made.victim.name, 'web')}:80",
    "service by name": lambda made: f"web.{made.victim.name}.svc.cluster.local:80",
    "database": lambda made: f"{_database(made)}.{made.victim.name}.svc.cluster.local:5432",
}


def _cluster_address(made: ClusterArena, namespace: str, service: str) -> str:
    return str(made.cluster.get("service", service, "-n", namespace)["spec"]["clusterIP"])


def _database(made: ClusterArena) -> str:
    names = [item["metadata"]["name"] for item in made.cluster.get("services", "-n", made.victim.name)["items"]]
    return str(next(name for name in names if name != "web"))


@FAMILY.each("S3", "connect to {}", OPENS, AROUND)
def around(arena: Arena, address: Callable[[ClusterArena], str]) -> str:
    made = arena.cluster
    where = address(made)
    if not made.stranger_connects(where):
        raise NotTried(f"nothing listens at {where}")
    return where if made.can_connect(made.hostile, where) else ""


@FAMILY.each("S3 D3", "connect to the victim's {}", OPENS, VICTIM)
def victim(arena: Arena, address: Callable[[ClusterArena], str]) -> str:
    made = arena.cluster
    where = address(made)
    if not made.can_connect(made.victim, where):
        raise NotTried(f"nothing listens at {where}")
    return where if made.can_connect(made.hostile, where) else ""


@FAMILY.each("S3", "connect to the victim's {} from a pod that isn't a preview's", OPENS, VICTIM)
def from_outside(arena: Arena, address: Callable[[ClusterArena], str]) -> str:
    made = arena.cluster
    where = address(made)
    if not made.can_connect(made.victim, where):
        raise NotTried(f"nothing listens at {where}")
    return where if made.stranger_connects(where) else ""
