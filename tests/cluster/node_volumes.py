"""Storage for a cluster whose storage classes create no volumes: some volumes on the disk of its only node, of a class
of their own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.cluster_access import Cluster

_SIZE = "8Gi"


@contextlib.contextmanager
def storage_class(cluster: Cluster, folder: Path, count: int) -> Iterator[str]:
    """Enough for ``count`` claims; a volume isn't used again. Yields the name of the class."""
    name = f"eph-test-{secrets.token_hex(3)}"
    node = cluster.get("nodes")["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"]
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    volumes = []
    for number in range(count):
        place = folder / f"volume-{number}"
        place.mkdir(parents=True)
        spec = {
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        }
        about = {"name": f"{name}-{number}"}
        volumes.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": about, "spec": spec})
    cluster.apply(*volumes)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "persistentvolume", *(f"{name}-{number}" for number in range(count)), "--wait=false")
