"""What the server says about its cluster: one frozen value, its defaults in one place, read from plain strings."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from programs.targets.kubernetes.api import quantities
from programs.targets.kubernetes.errors import KubernetesError

POD_SECURITY_LEVELS = ("restricted", "baseline", "privileged")
EGRESS_MODES = ("internet", "none")
SPOT_POLICIES = ("required", "preferred")
DATABASE_PLACEMENTS = ("namespace", "shared")
FRONT_KINDS = ("ingress", "eph")
_CHOICES = {
    "pod_security": POD_SECURITY_LEVELS,
    "egress": EGRESS_MODES,
    "spot_nodes": SPOT_POLICIES,
    "databases": DATABASE_PLACEMENTS,
    "front": FRONT_KINDS,
}
_INGRESS_SETTINGS = ("ingress_class", "ingress_annotations", "gateway", "tls_secret")
_REQUIRED = ("root", "server")
_DNS = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """``kubeconfig`` empty: the pod's own account, else the user's file. ``server`` tells this Eph's namespaces from
    those of another one on the same cluster. ``front``: who leads people to an environment: an ingress controller, by
    the Ingress that each has; or Eph's own gateway, a pod of this cluster (in ``front_namespace``, with
    ``front_labels``), and then there is none. ``ingress_url``: where the gateway reaches the ingress controller; with
    it and ``routes`` previews pass the gateway. ``egress_allow``: networks that previews may reach beside the internet.
    ``gateway``: namespace/name, or namespace/name/listener: a Gateway that HTTPRoutes are bound to, in place of
    Ingresses. ``tls_secret``: of each environment's namespace, or namespace/name to have it copied there.
    ``storage_class`` empty: databases and volumes live as long as their pod. ``registries``: where images may come
    from, all when empty; ``plain_http``: registries that are asked without TLS. ``helm``: what renders charts, if not
    on PATH. ``spot``: a label of nodes (key=value) that previews run on, and whose taint they tolerate; ``spot_nodes``:
    on them only, or on others when those have no room. ``toolbox`` and ``path``: what tests that run beside ephd
    may read, and their PATH. ``cpu``, ``memory``, ``disk`` and ``pods``: the most of one environment; its file
    may ask for less.
    ``role``: the ClusterRole that the server's ``account`` (namespace/name) binds itself in each environment's
    namespace, see ``rights``."""

    root: Path
    server: str
    kubeconfig: str = ""
    context: str = ""
    role: str = ""
    account: str = ""
    routes: str = ""
    url: str = "http://{host}:8080"
    front: str = "ingress"
    front_namespace: str = ""
    front_labels: str = ""
    ingress_class: str = ""
    ingress_namespace: str = "ingress"
    ingress_url: str = ""
    ingress_annotations: str = ""
    gateway: str = ""
    tls_secret: str = ""
    pod_security: str = "restricted"
    cpu: str = "4"
    memory: str = "4Gi"
    disk: str = "20Gi"
    pods: str = "40"
    egress: str = "internet"
    egress_allow: str = ""
    storage_class: str = ""
    postgres_image: str = "postgres:{version}"
    postgres_user: str = "999"
    postgres: str = ""
    postgres_address: str = ""
    databases: str = "namespace"
    templates: str = ""
    pull_secret_file: str = ""
    registries: str = ""
    plain_http: str = ""
    helm: str = ""
    spot: str = ""
    spot_nodes: str = "required"
    toolbox: str = ""
    path: str = ""

    @property
    def allowed_networks(self) -> tuple[str, ...]:
        return split_list(self.egress_allow)

    @property
    def ingress_annotation_map(self) -> dict[str, str]:
        """What every Ingress or HTTPRoute of ours carries: ``key=value`` with commas between them."""
        return dict(parse_pair(item, "ingress_annotations") for item in split_list(self.ingress_annotations))

    @property
    def gateway_pod_labels(self) -> dict[str, str]:
        """The labels of Eph's own gateway."""
        return dict(parse_pair(item, "front_labels") for item in split_list(self.front_labels))

    @property
    def template_databases(self) -> dict[str, str]:
        """What eph.yaml may call a prepared database, and what the shared server calls it."""
        return dict(parse_pair(item, "templates") for item in split_list(self.templates))

    @property
    def certificate_secret(self) -> tuple[str, str] | None:
        """Namespace and name of the Secret that is copied to every environment, when the setting names a namespace."""
        namespace, found, name = self.tls_secret.partition("/")
        return (namespace, name) if found else None


def split_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def parse_pair(text: str, setting: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not (key and found):
        raise KubernetesError(f"setting {setting!r} has {text!r}; write key=value")
    return key, value


def from_mapping(data: Mapping[str, str]) -> KubernetesSettings:
    """Reads the server's strings; a missing or empty one takes its default."""
    for name in _REQUIRED:
        if not data.get(name):
            raise KubernetesError(
                f"this server has no settings for its cluster ({name!r} is missing), so it cannot be "
                "reached: put the section [kubernetes] back into its configuration; the target need not be in "
                "targets.allowed for what exists to be destroyed"
            )
    known = {item.name for item in fields(KubernetesSettings)}
    given = {name: value for name, value in data.items() if name in known and value}
    # All are texts but the root, which mypy cannot tell from their names.
    settings = KubernetesSettings(**{**given, "root": Path(data["root"]).absolute()})  # type: ignore[arg-type]
    _check(settings)
    return settings


def _check(settings: KubernetesSettings) -> None:
    for name, allowed in _CHOICES.items():
        if getattr(settings, name) not in allowed:
            raise KubernetesError(
                f"setting {name!r} is {getattr(settings, name)!r}; it may be one of: {', '.join(allowed)}"
            )
    if "{host}" not in settings.url:
        raise KubernetesError(f"setting 'url' is {settings.url!r}; it must contain {{host}}, as in https://{{host}}")
    for network in settings.allowed_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise KubernetesError(f"setting 'egress_allow' has {network!r}; write a network as 10.1.0.0/16") from None
    for name in ("kubeconfig", "pull_secret_file"):
        path = getattr(settings, name)
        if path and not os.access(path, os.R_OK):
            raise KubernetesError(f"setting {name!r}: {path} cannot be read")
    _check_front(settings)
    _check_shared(settings)
    if settings.role and not all(settings.account.partition("/")):
        raise KubernetesError(
            f"setting 'account' is {settings.account!r}; with a role it must be namespace/name of the server's account"
        )
    for amount in (settings.cpu, settings.memory, settings.disk):
        quantities.parse(amount)
    if settings.spot:
        parse_pair(settings.spot, "spot")


def _check_front(settings: KubernetesSettings) -> None:
    if settings.front == "eph":
        _check_gateway_front(settings)
    gateway, secret = settings.gateway, settings.tls_secret
    if gateway and not (gateway.count("/") in (1, 2) and _is_dns_path(gateway)):
        raise KubernetesError(f"setting 'gateway' is {gateway!r}; write namespace/name or namespace/name/listener")
    if gateway and (secret or settings.ingress_class):
        other = "tls_secret" if secret else "ingress_class"
        raise KubernetesError(f"setting {other!r}: class and certificate are those of the Gateway; take it out")
    if secret and not (secret.count("/") <= 1 and _is_dns_path(secret)):
        raise KubernetesError(f"setting 'tls_secret' is {secret!r}; write a name, or namespace/name")
    for item in split_list(settings.ingress_annotations):
        parse_pair(item, "ingress_annotations")


def _check_gateway_front(settings: KubernetesSettings) -> None:
    if not (settings.front_namespace and settings.gateway_pod_labels):
        raise KubernetesError(
            "setting 'front' is 'eph': previews let in nobody but Eph's own gateway, a pod of their cluster; say with "
            "front_namespace and front_labels which pods it is, as the Helm chart does, or set front to 'ingress'"
        )
    for name in _INGRESS_SETTINGS:
        if getattr(settings, name):
            raise KubernetesError(
                f"setting {name!r} is of the Ingress that each environment has, and with front = 'eph' it has none; "
                "take it out, or set front to 'ingress'"
            )


def _check_shared(settings: KubernetesSettings) -> None:
    if not settings.postgres and (settings.databases == "shared" or settings.template_databases):
        what = "databases" if settings.databases == "shared" else "templates"
        raise KubernetesError(f"setting {what!r} counts on a PostgreSQL server that environments share; set 'postgres'")
    if not re.fullmatch(r"([A-Za-z0-9.-]+(:[0-9]{1,5})?)?", settings.postgres_address):
        raise KubernetesError(f"setting 'postgres_address' is {settings.postgres_address!r}; write host or host:port")


def _is_dns_path(path: str) -> bool:
    return all(map(_DNS.fullmatch, path.split("/")))
