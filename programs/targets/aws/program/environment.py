"""What all parts of the program know: the spec, the settings, names, tags and variables."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pulumi
from pulumi import ResourceOptions

from programs import variables
from programs.kit import identifiers
from programs.spec import EnvironmentSpec, ServiceSpec
from programs.targets.aws import names, sizing, tags
from programs.targets.aws.api.existing_parts import ExistingParts
from programs.targets.aws.settings import AwsSettings
from programs.targets.aws.sizing import EnvironmentSize

DEFAULT_PORT = 8080


class Part(pulumi.ComponentResource):
    """A group of resources. Its children use the environment's provider, which they inherit."""

    def __init__(self, kind: str, name: str, provider: pulumi.ProviderResource) -> None:
        super().__init__(f"eph:aws:{kind}", name, {}, ResourceOptions(providers={"aws": provider}))

    def options(self, *after: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=self, depends_on=list(after))


@dataclass(frozen=True)
class AwsEnvironment:
    spec: EnvironmentSpec
    settings: AwsSettings
    shared: ExistingParts
    version: str

    @cached_property
    def size(self) -> EnvironmentSize:
        return sizing.environment_size(self.spec.options.get("size", "ephemeral"), self.settings.largest_size)

    @cached_property
    def generation(self) -> str:
        return identifiers.generation(self.spec, self.version)

    @cached_property
    def tags(self) -> dict[str, str]:
        return tags.environment_tags(self.spec, self.settings.server)

    @cached_property
    def hosts(self) -> dict[str, str]:
        """Host names of public services, the environment's own first."""
        return {item.name: identifiers.service_host(self.spec, item.name) for item in self.spec.services if item.public}

    @cached_property
    def urls(self) -> dict[str, str]:
        return {name: self.settings.url.format(host=host) for name, host in self.hosts.items()}

    @property
    def queues(self) -> Sequence[str]:
        return tuple(self.spec.options.get("queues", ()))

    @property
    def buckets(self) -> Sequence[str]:
        return tuple(self.spec.options.get("buckets", ()))

    def name(self, limit: int, *parts: str) -> str:
        return names.resource_name(limit, self.settings.server, self.spec.name, *parts)

    def image(self, service: ServiceSpec) -> str:
        return self.spec.images[service.image]

    def variables(self, service: ServiceSpec | None) -> dict[str, str]:
        """A container's variables, without secrets. Eph's values override the repository's."""
        internal = {other.name: self._address(other) for other in self.spec.services if has_port(other)}
        url = next(iter(self.urls.values()), "")
        own = {**self.spec.env, **(service.env if service else {})}
        fixed = {
            **variables.public_variables(self.urls),
            "PREVIEW_URL": self.urls.get(service.name if service else "", url),
            "EPH_ENVIRONMENT": self.spec.name,
            "EPH_COMMIT": self.spec.source.commit,
        }
        if service and has_port(service):
            fixed["PORT"] = str(port(service))
        filled = variables.fill(own, variables.address_values(url, self.urls, internal))
        return {**filled, **variables.internal_variables(internal, service.name if service else ""), **fixed}

    def _address(self, service: ServiceSpec) -> str:
        return f"http://{service.name}:{port(service)}"

    def secrets_mark(self) -> str:
        """Changes with the values of secrets, so that containers restart with them. Reveals nothing about them."""
        marks = "\0".join(f"{name}={item.mark}" for name, item in sorted(self.spec.secrets.items()))
        return hashlib.sha256(marks.encode()).hexdigest()[:12]

    def client_settings(self) -> dict[str, str]:
        """The settings that a dynamic provider needs to reach AWS. None of them is secret."""
        wanted = (
            "region",
            "server",
            "url",
            "profile",
            "role",
            "external_id",
            "zone",
            "subnets",
            "listener",
            "endpoint",
        )
        return {name: getattr(self.settings, name) for name in wanted}


def has_port(service: ServiceSpec) -> bool:
    """A service that is neither public nor has a port is a worker."""
    return service.public or service.port > 0


def port(service: ServiceSpec) -> int:
    return service.port or DEFAULT_PORT
