"""The server's settings for its cluster: one frozen value, its defaults in one place, read from plain strings."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from programs import pull_secrets
from programs.kit.host_settings import read_variables
from programs.targets.kubernetes import wording
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
    """``kubeconfig`` empty: the pod's service account, or else the user's file. ``server`` distinguishes this Eph's
    namespaces from those of another one on the same cluster. ``front``: what routes people to an environment: an
    ingress controller, with an Ingress per environment; or Eph's gateway, a pod of this cluster (in
    ``front_namespace``, with ``front_labels``), without Ingresses. ``ingress_url``: where the gateway reaches the
    ingress controller; with it and ``routes``, previews are served through the gateway. ``egress_allow``: networks that
    previews can reach besides the internet. ``gateway``: namespace/name or namespace/name/listener of a Gateway;
    HTTPRoutes then replace Ingresses. ``tls_secret``: a Secret in each environment's namespace, or namespace/name to
    copy. ``storage_class`` empty: databases and volumes live as long as their pod. ``registries``: prefixes of allowed
    images, all if empty; ``plain_http``: registries to reach without TLS. ``helm`` and
    ``kustomize``: the programs that render charts and kustomizations, if not on PATH. ``spot``: a node label
    (key=value) that previews run on and whose taint they tolerate; ``spot_nodes``: whether other nodes may be used if
    those are full. ``toolbox``, ``path``, ``tools_env`` and ``ca_file``: what tests that run next to ephd can use,
    as users from ``suite_first_uid`` if ephd runs as root; ``machine_proxy``: their proxy to the internet. ``env``:
    variables of all containers. ``cpu``, ``memory``, ``disk`` and ``pods``: the limits of one environment; eph.yaml can
    request less. ``ephemeral_storage``: the limit of one container. ``role``: the ClusterRole that the server binds to
    its ``account`` (namespace/name) in each environment's namespace, see ``namespace_access``."""

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
    ephemeral_storage: str = "10Gi"
    pods: str = "40"
    egress: str = "internet"
    egress_allow: str = ""
    storage_class: str = ""
    postgres_image: str = "postgres:{version}"
    postgres_user: str = "999"
    redis_image: str = "redis:7"
    redis_user: str = "999"
    mysql_image: str = "mariadb:11"
    mysql_user: str = "999"
    mail_image: str = ""
    mail_user: str = "10001"
    postgres: str = ""
    postgres_address: str = ""
    databases: str = "namespace"
    templates: str = ""
    pull_secret_file: str = ""
    pull_secrets: str = ""
    registries: str = ""
    plain_http: str = ""
    helm: str = ""
    kustomize: str = ""
    spot: str = ""
    spot_nodes: str = "required"
    toolbox: str = ""
    path: str = ""
    env: str = ""
    tools_env: str = ""
    ca_file: str = ""
    machine_proxy: str = ""
    suite_first_uid: str = "2340000"

    @property
    def allowed_networks(self) -> tuple[str, ...]:
        return split_list(self.egress_allow)

    @property
    def ingress_annotation_map(self) -> dict[str, str]:
        """The annotations of every Ingress or HTTPRoute: ``key=value``, comma-separated."""
        return dict(parse_pair(item, "ingress_annotations") for item in split_list(self.ingress_annotations))

    @property
    def gateway_pod_labels(self) -> dict[str, str]:
        """The labels of Eph's gateway."""
        return dict(parse_pair(item, "front_labels") for item in split_list(self.front_labels))

    @property
    def template_databases(self) -> dict[str, str]:
        """Maps the names that eph.yaml uses for prepared databases to the shared server's names."""
        return dict(parse_pair(item, "templates") for item in split_list(self.templates))

    @property
    def variables(self) -> dict[str, str]:
        """The operator's variables for every container."""
        return read_variables(self.env)

    def for_repository(self, repository: str) -> KubernetesSettings:
        """With the registry credentials of that repository only."""
        pairs = pull_secrets.parse(split_list(self.pull_secrets))
        file = pull_secrets.first_match(pairs, repository) or self.pull_secret_file
        return replace(self, pull_secret_file=file)

    @property
    def certificate_secret(self) -> tuple[str, str] | None:
        """Namespace and name of the Secret to copy to every environment, if the setting names a namespace."""
        namespace, found, name = self.tls_secret.partition("/")
        return (namespace, name) if found else None


def split_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def parse_pair(text: str, setting: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not (key and found):
        raise KubernetesError(wording.not_key_value(setting, text))
    return key, value


def from_mapping(data: Mapping[str, str]) -> KubernetesSettings:
    """Reads the server's strings; a missing or empty one has its default."""
    for name in _REQUIRED:
        if not data.get(name):
            raise KubernetesError(wording.settings_missing(name))
    known = {item.name for item in fields(KubernetesSettings)}
    given: dict[str, Any] = {name: value for name, value in data.items() if name in known and value}
    settings = KubernetesSettings(**{**given, "root": Path(data["root"]).absolute()})
    _check(settings)
    return settings


def _check_files(settings: KubernetesSettings) -> None:
    try:
        by_repository = pull_secrets.parse(split_list(settings.pull_secrets))
    except pull_secrets.InvalidPullSecret as error:
        raise KubernetesError(wording.invalid_pull_secrets(error)) from None
    named = [("kubeconfig", settings.kubeconfig), ("pull_secret_file", settings.pull_secret_file)]
    for name, path in [*named, *(("pull_secrets", file) for _, file in by_repository)]:
        if path and not os.access(path, os.R_OK):
            raise KubernetesError(wording.file_unreadable(name, path))


def _check(settings: KubernetesSettings) -> None:
    for name, allowed in _CHOICES.items():
        if getattr(settings, name) not in allowed:
            raise KubernetesError(wording.unknown_choice(name, getattr(settings, name), allowed))
    if "{host}" not in settings.url:
        raise KubernetesError(wording.url_without_host(settings.url))
    for network in settings.allowed_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise KubernetesError(wording.not_a_network(network)) from None
    _check_files(settings)
    _check_front(settings)
    _check_shared(settings)
    if settings.role and not all(settings.account.partition("/")):
        raise KubernetesError(wording.invalid_account(settings.account))
    for amount in (settings.cpu, settings.memory, settings.disk, settings.ephemeral_storage):
        quantities.parse(amount)
    if settings.spot:
        parse_pair(settings.spot, "spot")


def _check_front(settings: KubernetesSettings) -> None:
    if settings.front == "eph":
        _check_gateway_front(settings)
    gateway, secret = settings.gateway, settings.tls_secret
    if gateway and not (gateway.count("/") in (1, 2) and _is_dns_path(gateway)):
        raise KubernetesError(wording.invalid_gateway(gateway))
    if gateway and (secret or settings.ingress_class):
        other = "tls_secret" if secret else "ingress_class"
        raise KubernetesError(wording.no_effect_with_gateway(other))
    if secret and not (secret.count("/") <= 1 and _is_dns_path(secret)):
        raise KubernetesError(wording.invalid_tls_secret(secret))
    for item in split_list(settings.ingress_annotations):
        parse_pair(item, "ingress_annotations")


def _check_gateway_front(settings: KubernetesSettings) -> None:
    if not (settings.front_namespace and settings.gateway_pod_labels):
        raise KubernetesError(wording.GATEWAY_PODS_UNKNOWN)
    for name in _INGRESS_SETTINGS:
        if getattr(settings, name):
            raise KubernetesError(wording.no_effect_without_ingress(name))


def _check_shared(settings: KubernetesSettings) -> None:
    if not settings.postgres and (settings.databases == "shared" or settings.template_databases):
        what = "databases" if settings.databases == "shared" else "templates"
        raise KubernetesError(wording.needs_shared_postgres(what))
    if not re.fullmatch(r"([A-Za-z0-9.-]+(:[0-9]{1,5})?)?", settings.postgres_address):
        raise KubernetesError(wording.invalid_postgres_address(settings.postgres_address))


def _is_dns_path(path: str) -> bool:
    return all(map(_DNS.fullmatch, path.split("/")))
