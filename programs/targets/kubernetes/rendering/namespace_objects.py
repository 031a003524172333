"""What surrounds an environment's workloads, as plain data: identity, quota, network policies and ingress.

Default-deny first, then what is needed: traffic within the environment, DNS, from the front (the ingress controller or
Eph's gateway) to public services, and to the internet if the server allows it (``egress``).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from programs.spec import EnvironmentSpec
from programs.targets.kubernetes.api import object_names, quantities
from programs.targets.kubernetes.rendering import egress
from programs.targets.kubernetes.settings import KubernetesSettings

Data = dict[str, Any]
SCRATCH_LIMIT, SCRATCH_REQUEST = "2Gi", "64Mi"
"""What a container can write outside its volumes unless it sets a limit, and how much of it a node reserves."""
EPHEMERAL = "ephemeral-storage"
GATEWAY_API = "gateway.networking.k8s.io/v1"
NODE_LOCAL_DNS = "169.254.20.10/32"
"""The node-local DNS cache of many clusters. It is in the metadata service's network, but isn't that service."""


def new_object(kind: str, name: str, body: Mapping[str, Any], version: str = "v1") -> Data:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}


def namespace(spec: EnvironmentSpec, settings: KubernetesSettings) -> Data:
    data = new_object("Namespace", object_names.namespace(spec.name), {})
    levels = {f"pod-security.kubernetes.io/{mode}": settings.pod_security for mode in ("enforce", "warn")}
    data["metadata"]["labels"] = {**object_names.labels(spec, settings.server), **levels}
    data["metadata"]["annotations"] = object_names.mark_annotations(spec.marks)
    return data


def resource_quota(spec: EnvironmentSpec, settings: KubernetesSettings) -> Data:
    """The quota for everything in the namespace, at twice the limits: during an update new pods run next to the old
    ones, and an environment that didn't fit twice could never be updated. No load balancers and no node ports: they
    cost money and bypass the ingress."""
    cpu, memory = (quantities.double(amount) for amount in environment_limits(spec, settings))
    hard = {
        "limits.cpu": cpu,
        "limits.memory": memory,
        f"limits.{EPHEMERAL}": str(_ephemeral_quota(spec, settings)),
        "requests.cpu": cpu,
        "requests.memory": memory,
        "pods": settings.pods,
        "services.loadbalancers": "0",
        "services.nodeports": "0",
        "persistentvolumeclaims": "10",
        "requests.storage": quantities.normalize(spec.resources.get("disk", settings.disk)),
    }
    return new_object("ResourceQuota", "eph-quota", {"spec": {"hard": hard}})


def environment_limits(spec: EnvironmentSpec, settings: KubernetesSettings) -> tuple[str, str]:
    """The CPU and memory of the whole environment: what eph.yaml requests, already checked against the server's
    limits."""
    return spec.resources.get("cpu", settings.cpu), quantities.normalize(spec.resources.get("memory", settings.memory))


def scratch_limit(settings: KubernetesSettings) -> str:
    return quantities.smaller(SCRATCH_LIMIT, settings.ephemeral_storage)


def _ephemeral_quota(spec: EnvironmentSpec, settings: KubernetesSettings) -> int:
    """As much as all pods may write by default, and twice the volumes that live with their pod."""
    pods = int(settings.pods) * quantities.parse(scratch_limit(settings))
    return int(pods + 2 * _volumes_in_pods(spec, settings))


def _volumes_in_pods(spec: EnvironmentSpec, settings: KubernetesSettings) -> Decimal:
    """What the environment's volumes can use of its nodes' storage."""
    return Decimal(0) if settings.storage_class else quantities.parse(spec.resources.get("disk", settings.disk))


def limit_range(spec: EnvironmentSpec, settings: KubernetesSettings) -> Data:
    """Limits for each container, and defaults for those that request nothing. A default above the limit is invalid."""
    cpu, memory = environment_limits(spec, settings)
    ephemeral = int(quantities.parse(settings.ephemeral_storage) + _volumes_in_pods(spec, settings))
    most = {"cpu": cpu, "memory": memory, EPHEMERAL: str(ephemeral)}
    preferred = {"cpu": "500m", "memory": "512Mi", EPHEMERAL: scratch_limit(settings)}
    limits = {what: quantities.smaller(amount, most[what]) for what, amount in preferred.items()}
    reserved = {"cpu": "20m", "memory": "64Mi", EPHEMERAL: SCRATCH_REQUEST}
    requests = {what: quantities.smaller(amount, limits[what]) for what, amount in reserved.items()}
    container = {"type": "Container", "default": limits, "defaultRequest": requests, "max": most}
    return new_object("LimitRange", "eph-limits", {"spec": {"limits": [container]}})


def service_account() -> Data:
    """The account that pods run as: it has no permissions, and pods don't get its token."""
    return new_object("ServiceAccount", object_names.ACCOUNT, {"automountServiceAccountToken": False})


def pull_secret(settings: KubernetesSettings) -> Data | None:
    """The server's registry credentials. The kubelet uses them; pods may not refer to them."""
    if not settings.pull_secret_file:
        return None
    content = base64.b64encode(Path(settings.pull_secret_file).read_bytes()).decode()
    kind = "kubernetes.io/dockerconfigjson"
    return new_object("Secret", object_names.PULL_SECRET, {"type": kind, "data": {".dockerconfigjson": content}})


def network_policies(
    settings: KubernetesSettings,
    public_ports: Iterable[int],
    database_server: tuple[list[Data], int] | None = None,
    api_server: Iterable[str] = (),
) -> list[Data]:
    """``public_ports``: ports of public services, which the front can reach. ``database_server``: the peers and port of
    the shared database server. ``api_server``: its networks, which stay closed."""
    inside: list[Data] = [{"podSelector": {}}]
    resolver = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    dns_ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    found = [
        _network_policy("eph-deny", {}, ["Ingress", "Egress"], {}),
        _network_policy(
            "eph-inside", {}, ["Ingress", "Egress"], {"ingress": [{"from": inside}], "egress": [{"to": inside}]}
        ),
        _network_policy(
            "eph-names",
            {},
            ["Egress"],
            {"egress": [{"to": [resolver, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}], "ports": dns_ports}]},
        ),
    ]
    public = [{"protocol": "TCP", "port": port} for port in sorted(set(public_ports))]
    if public:
        selector = {"matchLabels": {object_names.PUBLIC: "true"}}
        rule = {"from": [_front_peer(settings)], "ports": public}
        found.append(_network_policy("eph-front", selector, ["Ingress"], {"ingress": [rule]}))
    if database_server:
        peers, port = database_server
        rule = {"to": peers, "ports": [{"protocol": "TCP", "port": port}]}
        found.append(_network_policy("eph-database", {}, ["Egress"], {"egress": [rule]}))
    outside = egress.blocks(settings, api_server)
    if outside:
        found.append(_network_policy("eph-outside", {}, ["Egress"], {"egress": [{"to": outside}]}))
    return found


def _front_peer(settings: KubernetesSettings) -> Data:
    own = settings.front == "eph"
    space = settings.front_namespace if own else settings.ingress_namespace
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}
    return {**peer, "podSelector": {"matchLabels": settings.gateway_pod_labels}} if own else peer


def _network_policy(name: str, selector: Mapping[str, Any], types: list[str], rules: Mapping[str, Any]) -> Data:
    spec = {"podSelector": dict(selector), "policyTypes": types, **rules}
    return new_object("NetworkPolicy", name, {"spec": spec}, "networking.k8s.io/v1")


def certificate_secret(data: Any) -> Data:
    """``data`` is that of the operator's Secret."""
    return new_object("Secret", object_names.CERTIFICATE, {"type": "kubernetes.io/tls", "data": data})


class PathBackend(NamedTuple):
    """A path of a host name, and the service and port that answer it."""

    path: str
    exact: bool
    backend: tuple[str, int]


def ingress_or_route(
    settings: KubernetesSettings, name: str, host: str, backend: tuple[str, int], paths: Iterable[PathBackend] = ()
) -> Data | None:
    """Routes the host name to the service, and ``paths`` to others: an Ingress, or an HTTPRoute if there is a Gateway.
    None if Eph's gateway is the front."""
    if settings.front == "eph":
        return None
    everything = [*paths, PathBackend("/", False, backend)]
    data = (
        _http_route(settings, name, host, everything)
        if settings.gateway
        else _ingress(settings, name, host, everything)
    )
    if settings.ingress_annotation_map:
        data["metadata"]["annotations"] = settings.ingress_annotation_map
    return data


def _http_route(settings: KubernetesSettings, name: str, host: str, paths: Iterable[PathBackend]) -> Data:
    namespace, gateway, *listener = settings.gateway.split("/")
    parent = {"namespace": namespace, "name": gateway, **({"sectionName": listener[0]} if listener else {})}
    rules = [
        {
            "matches": [{"path": {"type": "Exact" if item.exact else "PathPrefix", "value": item.path}}],
            "backendRefs": [{"name": item.backend[0], "port": item.backend[1]}],
        }
        for item in paths
    ]
    spec = {"parentRefs": [parent], "hostnames": [host], "rules": rules}
    return new_object("HTTPRoute", name, {"spec": spec}, GATEWAY_API)


def _ingress(settings: KubernetesSettings, name: str, host: str, paths: Iterable[PathBackend]) -> Data:
    listed = [
        {
            "path": item.path,
            "pathType": "Exact" if item.exact else "Prefix",
            "backend": {"service": {"name": item.backend[0], "port": {"number": item.backend[1]}}},
        }
        for item in paths
    ]
    spec: Data = {"rules": [{"host": host, "http": {"paths": listed}}]}
    if settings.ingress_class:
        spec["ingressClassName"] = settings.ingress_class
    secret = _certificate_name(settings, name)
    if secret or settings.url.startswith("https://"):
        spec["tls"] = [{"hosts": [host], **({"secretName": secret} if secret else {})}]
    return new_object("Ingress", name, {"spec": spec}, "networking.k8s.io/v1")


def _certificate_name(settings: KubernetesSettings, ingress: str) -> str:
    """Empty: the controller's default. cert-manager needs the name of a Secret that it may write."""
    if settings.certificate_secret:
        return object_names.CERTIFICATE
    asks = any(key.startswith("cert-manager.io/") for key in settings.ingress_annotation_map)
    return settings.tls_secret or (f"{ingress}-tls" if asks else "")
