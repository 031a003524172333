"""What the attacker's namespace refuses, regardless of who asks: the second wall behind the check of manifests.

Objects are submitted to the real API server as the cluster's administrator, in a dry run that stores nothing.
"""

from __future__ import annotations

import copy
import json
import subprocess
from typing import Any

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried
from tests.attack.cluster.cluster_arena import ClusterArena

FAMILY = Family("namespaces")
ADMITTED = "the API server admits it"
SAFE = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "attack"},
    "spec": {"containers": [{"name": "app", "image": "example.com/app", "securityContext": SAFE}]},
}
VOLUME = {"name": "node", "hostPath": {"path": "/"}}
CONTAINERS: dict[str, dict[str, Any]] = {
    "privileged": {"securityContext": {**SAFE, "privileged": True, "allowPrivilegeEscalation": True}},
    "with setuid programs": {"securityContext": {**SAFE, "allowPrivilegeEscalation": True}},
    "as root": {"securityContext": {**SAFE, "runAsUser": 0}},
    "that may be root": {"securityContext": {**SAFE, "runAsNonRoot": False}},
    "with a capability": {"securityContext": {**SAFE, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}},
    "with all default capabilities": {"securityContext": {**SAFE, "capabilities": {}}},
    "without seccomp": {"securityContext": {**SAFE, "seccompProfile": {"type": "Unconfined"}}},
    "on a port of the node": {"ports": [{"containerPort": 80, "hostPort": 80}]},
    "with a terabyte of memory": {"resources": {"limits": {"memory": "1Ti"}}},
    "with a terabyte of ephemeral storage": {"resources": {"limits": {"ephemeral-storage": "1Ti"}}},
    "with a thousand CPUs": {"resources": {"limits": {"cpu": "1000"}}},
}
PODS: dict[str, dict[str, Any]] = {
    "in the node's network": {"hostNetwork": True},
    "among the node's processes": {"hostPID": True},
    "in the node's IPC namespace": {"hostIPC": True},
    "with the node's files": {"volumes": [VOLUME]},
    "with an unmasked /proc": {
        "hostUsers": False,
        "containers": [{"name": "app", "image": "a", "securityContext": {**SAFE, "procMount": "Unmasked"}}],
    },
    "with an unsafe sysctl": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
}
PORT = {"ports": [{"port": 80}]}
OBJECTS: dict[str, dict[str, Any]] = {
    "a service on a node's port": {"kind": "Service", "spec": {"type": "NodePort", **PORT}},
    "a load balancer": {"kind": "Service", "spec": {"type": "LoadBalancer", **PORT}},
    "a volume of 100 TiB": {
        "kind": "PersistentVolumeClaim",
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Ti"}}},
    },
}


def submit(made: ClusterArena, data: dict[str, Any]) -> str:
    """The API server's refusal; empty if it admits the object."""
    command = ["kubectl", "--kubeconfig", made.cluster.kubeconfig, "--request-timeout=30s", "-n", made.hostile.name]
    done = subprocess.run(
        [*command, "create", "--dry-run=server", "-f", "-"],
        input=json.dumps(data), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode and "orbidden" not in done.stderr:
        raise NotTried(done.stderr)
    return done.stderr if done.returncode else ""


def admitted(arena: Arena, data: dict[str, Any]) -> str:
    if refusal := submit(arena.cluster, POD):
        raise NotTried(f"even a harmless pod is refused: {refusal}")
    return "" if submit(arena.cluster, data) else json.dumps(data["spec"])


@FAMILY.each("S3", "create a container {}", ADMITTED, CONTAINERS)
def container(arena: Arena, changes: dict[str, Any]) -> str:
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"][0].update(changes)
    return admitted(arena, pod)


@FAMILY.each("S3", "create a pod {}", ADMITTED, PODS)
def pod(arena: Arena, changes: dict[str, Any]) -> str:
    changed = copy.deepcopy(POD)
    changed["spec"].update(changes)
    return admitted(arena, changed)


@FAMILY.each("S3", "create {}", ADMITTED, OBJECTS)
def other(arena: Arena, changes: dict[str, Any]) -> str:
    return admitted(arena, {"apiVersion": "v1", "metadata": {"name": "attack"}, **changes})
