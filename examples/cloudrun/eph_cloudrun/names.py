"""Names, labels and URLs. All follow from the environment's name, so no state is needed to find anything."""

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from eph_cloudrun.config import CloudRunHost
from programs.spec import EnvironmentSpec

ENVIRONMENT, SERVER, SERVICE = "eph-environment", "eph-server", "eph-service"
MAX_NAME = 49
"""Cloud Run's limit."""


def service_name(environment: str, service: str) -> str:
    """Long names are cut, and a hash keeps them different."""
    name = f"{environment}-{service}"
    if len(name) <= MAX_NAME and name[0].isalpha():
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"e{name[: MAX_NAME - 10].rstrip('-')}-{digest}"


def labels(host: CloudRunHost, environment: str, service: str) -> dict[str, str]:
    return {ENVIRONMENT: environment, SERVER: host.server, SERVICE: service}


def is_ours(host: CloudRunHost, found: Mapping[str, str]) -> bool:
    return found.get(SERVER) == host.server and bool(found.get(ENVIRONMENT))


def run_url(host: CloudRunHost, environment: str, service: str) -> str:
    name = service_name(environment, service)
    return host.run_url.format(service=name, number=host.number, region=host.region)


def public_urls(host: CloudRunHost, spec: EnvironmentSpec) -> dict[str, str]:
    """By service. The first one is the environment's own, at its own host name if that is mapped."""
    found = {item.name: run_url(host, spec.name, item.name) for item in spec.services if item.public}
    if host.domain_mapping and found:
        found[next(iter(found))] = host.url.format(host=spec.host)
    return found


def host_name(url: str) -> str:
    return urlsplit(url).hostname or ""
