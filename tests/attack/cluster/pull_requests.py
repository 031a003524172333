"""Manifests in pull requests to a running Eph, which must change nothing outside of their own namespace."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried
from tests.attack.cluster.cluster_arena import ClusterArena

FAMILY = Family("pull requests")
MARK = "eph-attack-mark"
LABELS = {"app": "shop"}
GREEDY = {"resources": {"limits": {"memory": "2Gi", "cpu": "1"}}}


def workload(**changes: Any) -> str:
    """A deployment of the sample app, with its service."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
    container = {"name": "app", "image": "shop", "ports": [{"containerPort": 8080}], "readinessProbe": probe}
    pod = {"containers": [{**container, **changes.pop("container", {})}], **changes.pop("pod", {})}
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template, **changes}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}
    return documents(deployment, {**service, "spec": {"selector": LABELS, "ports": ports}})


def documents(*objects: dict[str, Any]) -> str:
    """As JSON, which is YAML without aliases."""
    return "".join(f"---\n{json.dumps(data)}\n" for data in objects)


def outcome(made: ClusterArena, branch: str, manifests: str) -> str:
    """Eph's comment on a pull request with these manifests. Without the attack, they would run."""
    if problem := made.problem_of(made.harmless(workload())):
        raise NotTried(f"the harmless manifests don't run: {problem}")
    return made.outcome(branch, manifests)


def _role_binding(_: ClusterArena) -> dict[str, Any]:
    account = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": MARK},
        "subjects": [account],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }


def _config_map(namespace: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MARK, "namespace": namespace}}


OBJECTS: dict[str, Callable[[ClusterArena], dict[str, Any]]] = {
    "a binding to the role cluster-admin": _role_binding,
    "an object in the victim's namespace": lambda made: _config_map(made.victim.name),
    "an object in kube-system": lambda _: _config_map("kube-system"),
    "a namespace": lambda _: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MARK}},
}
KINDS = "configmaps,clusterrolebindings,namespaces"


@FAMILY.each("S3", "create {}", "the object exists", OBJECTS)
def created(arena: Arena, build: Callable[[ClusterArena], dict[str, Any]]) -> str:
    made = arena.cluster
    data = build(made)
    branch = f"{data['kind']}-{data['metadata'].get('namespace', 'cluster')}".lower()
    outcome(made, branch, workload() + documents(data))
    found = made.cluster.get(KINDS, "-A", "--field-selector", f"metadata.name={MARK}")["items"]
    return json.dumps([item["metadata"] for item in found]) if found else ""


@FAMILY.attack("S3 Y3", "take the victim's host name with an Ingress", "the victim's host leads to the attacker's page")
def host(arena: Arena) -> str:
    made = arena.cluster
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    rule = {"host": made.victim.host, "http": {"paths": paths}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop"},
        "spec": {"ingressClassName": made.cluster.ingress_class, "rules": [rule]},
    }
    body = outcome(made, "ingress", workload() + documents(ingress))
    found = made.cluster.get("ingresses", "-A")["items"]
    owners = [
        item["metadata"]["namespace"]
        for item in found
        if any(rule.get("host") == made.victim.host for rule in item["spec"].get("rules", ()))
    ]
    if owners != [made.victim.name]:
        return f"{owners} have ingresses for {made.victim.host}; {body}"
    return made.victim_problem()


@FAMILY.each(
    "S3", "run {} replicas", "more pods exist than the quota allows, or the victim suffers", {"500": 500, "9": 9}
)
def replicas(arena: Arena, count: int) -> str:
    """Either Eph refuses them, or the quota of the namespace does."""
    made = arena.cluster
    body = outcome(made, f"replicas-{count}", workload(replicas=count, container=GREEDY))
    found = [(name, *_pods_and_limit(made, name)) for name in made.site.namespaces()]
    excess = [f"{name} has {pods} pods with a quota of {limit}" for name, pods, limit in found if pods > limit]
    if "Ready" in body:
        excess.append(body)
    return "; ".join(excess) or made.victim_problem()


def _pods_and_limit(made: ClusterArena, name: str) -> tuple[int, int]:
    quotas = made.cluster.get("resourcequotas", "-n", name)["items"]
    limits = [int(item["spec"]["hard"]["pods"]) for item in quotas if "pods" in item["spec"]["hard"]]
    if not limits:
        raise NotTried(f"{name} has no quota of pods")
    return len(made.cluster.get("pods", "-n", name)["items"]), min(limits)
