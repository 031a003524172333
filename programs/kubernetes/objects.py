"""What surrounds the workloads of an environment, as plain data: who it is, how much it may use, whom it may talk to.

Default-deny first, then what is needed: among itself, to the cluster's names, from whoever stands in front (the ingress
controller, or Eph's own gateway) to what is public, and to the internet where the server says so. Never to private
networks, which hold other environments, the cluster itself and the cloud's metadata service.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from programs.kubernetes import names, quantities
from programs.kubernetes.settings import Settings
from programs.spec import EnvironmentSpec

Data = dict[str, Any]
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE_6 = ("fc00::/7", "fe80::/10", "::1/128")
SCRATCH, SCRATCH_SET_ASIDE = "2Gi", "64Mi"
"""What a container may write beside its volumes, and what of it a node keeps free."""
GATEWAY_API = "gateway.networking.k8s.io/v1"
NODE_LOCAL_DNS = "169.254.20.10/32"
"""Where many clusters keep a cache of names on each node. It is in the network of the metadata service, not it."""


def made(kind: str, name: str, body: Mapping[str, Any], version: str = "v1") -> Data:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}


def namespace(spec: EnvironmentSpec, on: Settings) -> Data:
    data = made("Namespace", names.namespace(spec.name), {})
    levels = {f"pod-security.kubernetes.io/{mode}": on.pod_security for mode in ("enforce", "warn")}
    data["metadata"]["labels"] = {**names.labels(spec, on.server), **levels}
    data["metadata"]["annotations"] = names.notes(spec.marks)
    return data


def quota(spec: EnvironmentSpec, on: Settings) -> Data:
    """All that runs in it together, twice: during a push the new runs beside the old, and one that did not fit could
    never be replaced. No load balancers and no ports on nodes: they cost, and pass by the ingress."""
    cpu, memory = (quantities.twice(amount) for amount in most(spec, on))
    hard = {
        "limits.cpu": cpu,
        "limits.memory": memory,
        "requests.cpu": cpu,
        "requests.memory": memory,
        "pods": on.pods,
        "services.loadbalancers": "0",
        "services.nodeports": "0",
        "persistentvolumeclaims": "10",
        "requests.storage": quantities.legal(spec.resources.get("disk", on.disk)),
    }
    return made("ResourceQuota", "eph-quota", {"spec": {"hard": hard}})


def most(spec: EnvironmentSpec, on: Settings) -> tuple[str, str]:
    """CPU and memory of the whole environment: what its file says, which the server has granted by now."""
    return spec.resources.get("cpu", on.cpu), quantities.legal(spec.resources.get("memory", on.memory))


def limits(spec: EnvironmentSpec, on: Settings) -> Data:
    """What a container gets that asks for nothing."""
    cpu, memory = most(spec, on)
    container = {
        "type": "Container",
        "default": {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": SCRATCH},
        "defaultRequest": {"cpu": "20m", "memory": "64Mi", "ephemeral-storage": SCRATCH_SET_ASIDE},
        "max": {"cpu": cpu, "memory": memory},
    }
    return made("LimitRange", "eph-limits", {"spec": {"limits": [container]}})


def account() -> Data:
    """What pods run as: an account that may do nothing, and whose token they do not get."""
    return made("ServiceAccount", names.ACCOUNT, {"automountServiceAccountToken": False})


def pull_secret(on: Settings) -> Data | None:
    """The server's own credentials for registries; the kubelet uses them, pods may not name them."""
    if not on.pull_secret_file:
        return None
    content = base64.b64encode(Path(on.pull_secret_file).read_bytes()).decode()
    kind = "kubernetes.io/dockerconfigjson"
    return made("Secret", names.PULL_SECRET, {"type": kind, "data": {".dockerconfigjson": content}})


def policies(on: Settings, ports: Iterable[int], server: tuple[list[Data], int] | None = None) -> list[Data]:
    """``ports``: those of public services, which whoever stands in front may reach. ``server``: where the database
    server lies that environments share, and its port."""
    inside: list[Data] = [{"podSelector": {}}]
    resolver = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    asked = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    found = [
        _policy("eph-deny", {}, ["Ingress", "Egress"], {}),
        _policy("eph-inside", {}, ["Ingress", "Egress"], {"ingress": [{"from": inside}], "egress": [{"to": inside}]}),
        _policy(
            "eph-names",
            {},
            ["Egress"],
            {"egress": [{"to": [resolver, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}], "ports": asked}]},
        ),
    ]
    public = [{"protocol": "TCP", "port": port} for port in sorted(set(ports))]
    if public:
        selector = {"matchLabels": {names.PUBLIC: "true"}}
        rule = {"from": [_front(on)], "ports": public}
        found.append(_policy("eph-front", selector, ["Ingress"], {"ingress": [rule]}))
    if server:
        peers, port = server
        rule = {"to": peers, "ports": [{"protocol": "TCP", "port": port}]}
        found.append(_policy("eph-database", {}, ["Egress"], {"egress": [rule]}))
    outside = _outside(on)
    if outside:
        found.append(_policy("eph-outside", {}, ["Egress"], {"egress": [{"to": outside}]}))
    return found


def _front(on: Settings) -> Data:
    own = on.front == "eph"
    space = on.front_namespace if own else on.ingress_namespace
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}
    return {**peer, "podSelector": {"matchLabels": on.front_pods}} if own else peer


def _outside(on: Settings) -> list[Data]:
    blocks: list[Data] = [{"ipBlock": {"cidr": network}} for network in on.networks]
    if on.egress == "internet":
        blocks.append({"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}})
        blocks.append({"ipBlock": {"cidr": "::/0", "except": list(PRIVATE_6)}})
    return blocks


def _policy(name: str, selector: Mapping[str, Any], types: list[str], rules: Mapping[str, Any]) -> Data:
    spec = {"podSelector": dict(selector), "policyTypes": types, **rules}
    return made("NetworkPolicy", name, {"spec": spec}, "networking.k8s.io/v1")


def certificate(data: Any) -> Data:
    """``data`` is that of the operator's Secret, wherever it lies."""
    return made("Secret", names.CERTIFICATE, {"type": "kubernetes.io/tls", "data": data})


def front(on: Settings, name: str, host: str, backend: tuple[str, int]) -> Data | None:
    """What leads from the host name to the service: an Ingress, or an HTTPRoute where there is a Gateway; nothing where
    Eph's own gateway does."""
    if on.front == "eph":
        return None
    data = _route(on, name, host, backend) if on.gateway else _ingress(on, name, host, backend)
    if on.annotations:
        data["metadata"]["annotations"] = on.annotations
    return data


def _route(on: Settings, name: str, host: str, backend: tuple[str, int]) -> Data:
    namespace, gateway, *listener = on.gateway.split("/")
    parent = {"namespace": namespace, "name": gateway, **({"sectionName": listener[0]} if listener else {})}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": backend[0], "port": backend[1]}],
    }
    spec = {"parentRefs": [parent], "hostnames": [host], "rules": [rule]}
    return made("HTTPRoute", name, {"spec": spec}, GATEWAY_API)


def _ingress(on: Settings, name: str, host: str, backend: tuple[str, int]) -> Data:
    service, port = backend
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": port}}}}
    spec: Data = {"rules": [{"host": host, "http": {"paths": [path]}}]}
    if on.ingress_class:
        spec["ingressClassName"] = on.ingress_class
    secret = _certificate_name(on, name)
    if secret or on.url.startswith("https://"):
        spec["tls"] = [{"hosts": [host], **({"secretName": secret} if secret else {})}]
    return made("Ingress", name, {"spec": spec}, "networking.k8s.io/v1")


def _certificate_name(on: Settings, ingress: str) -> str:
    """Nothing: the controller's own default. cert-manager asks for the name of a Secret that it may write."""
    if on.certificate:
        return names.CERTIFICATE
    asks = any(key.startswith("cert-manager.io/") for key in on.annotations)
    return on.tls_secret or (f"{ingress}-tls" if asks else "")
