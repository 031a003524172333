"""The server's settings for AWS: one frozen value, read from plain strings and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from programs.targets.aws import wording
from programs.targets.aws.errors import AwsError

_REQUIRED = ("region", "server")


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """``subnets``: the shared network; empty gives each environment its own. ``listener``: a shared load balancer's
    HTTPS listener; empty gives each environment its own load balancer. ``zone``: the Route 53 zone in which Eph creates
    the environments' records; empty if a wildcard record leads to the shared load balancer. ``load_balancer_url``:
    where the gateway reaches the load balancer, if not at the environments' host names. ``endpoint``: where every AWS
    service is reached, for tests. ``routes``: the folder of the gateway's routes. ``root``: the folder of test suites;
    ``toolbox``, ``path``, ``tools_env`` and ``ca_file`` are what they can use, ``egress_allow`` the private networks
    that they can reach, ``machine_proxy`` the proxy through which they reach the internet. ``snapshots``, ``masks`` and
    ``read_replicas``: see ``data_sources``."""

    region: str
    server: str
    url: str = "https://{host}"
    profile: str = ""
    role: str = ""
    external_id: str = ""
    accounts: str = ""
    subnets: str = ""
    listener: str = ""
    cluster: str = ""
    certificate: str = ""
    zone: str = ""
    load_balancer_url: str = ""
    permissions_boundary: str = ""
    allowed_networks: str = "0.0.0.0/0"
    registries: str = ""
    architecture: str = "arm64"
    spot: str = "False"
    largest_size: str = "ephemeral"
    cpu: str = "4"
    memory: str = "8Gi"
    log_days: str = "7"
    endpoint: str = ""
    routes: str = ""
    root: str = ""
    toolbox: str = ""
    path: str = ""
    tools_env: str = ""
    ca_file: str = ""
    egress_allow: str = ""
    machine_proxy: str = ""
    first_uid: str = "2280000"
    snapshots: str = ""
    masks: str = ""
    mask_image: str = "public.ecr.aws/docker/library/postgres:17"
    read_replicas: str = ""

    @property
    def uses_spot(self) -> bool:
        return self.spot == "True"

    @property
    def limits(self) -> dict[str, str]:
        return {"cpu": self.cpu, "memory": self.memory}


def split_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def from_mapping(data: Mapping[str, str]) -> AwsSettings:
    """Reads the server's strings; a missing or empty one has its default."""
    for name in _REQUIRED:
        if not data.get(name):
            raise AwsError(wording.settings_missing(name))
    known = {item.name for item in fields(AwsSettings)}
    settings = AwsSettings(**{name: value for name, value in data.items() if name in known and value})
    _check(settings)
    return settings


def _check(settings: AwsSettings) -> None:
    if "{host}" not in settings.url:
        raise AwsError(wording.url_needs_host(settings.url))
    if settings.listener and not settings.subnets:
        raise AwsError(wording.LISTENER_NEEDS_SUBNETS)
    if settings.subnets and len(split_list(settings.subnets)) < 2:
        raise AwsError(wording.too_few_subnets(settings.subnets))
    if not (settings.zone or settings.listener):
        raise AwsError(wording.NEEDS_RECORDS)
    if settings.external_id and not settings.role:
        raise AwsError(wording.EXTERNAL_ID_NEEDS_ROLE)
