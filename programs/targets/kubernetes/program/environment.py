"""What the program derives from a spec before it creates resources. Doesn't import Pulumi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from programs import variables
from programs.spec import EnvironmentSpec, ServiceSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.rendering import servers, workloads
from programs.targets.kubernetes.rendering.namespace_objects import Data, PathBackend
from programs.targets.kubernetes.rendering.workloads import ContainerEnv
from programs.targets.kubernetes.settings import KubernetesSettings


@dataclass(frozen=True, slots=True)
class PreparedInputs:
    """What is looked up before anything is applied. ``images``: pinned, by name. ``scripts``: the SQL of seeds, by
    path. ``objects``: the repository's manifests, checked and rewritten. ``backends``: their service and port for
    each host name, by the service's short name; ``paths`` those for some of its paths; ``health`` the path of its
    health check, if it is known. ``notices``: what of the manifests isn't applied. ``certificate``: the data of the
    operator's Secret. ``database_server``: how pods reach the database server that environments share. ``api_server``:
    the networks of the cluster's API server, which pods can't reach."""

    images: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[Data, ...] = ()
    backends: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    paths: Mapping[str, tuple[PathBackend, ...]] = field(default_factory=dict)
    health: Mapping[str, str] = field(default_factory=dict)
    public_ports: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
    certificate: Mapping[str, str] = field(default_factory=dict)
    database_server: tuple[list[Data], int] | None = None
    api_server: tuple[str, ...] = ()


class KubernetesEnvironment:
    """The spec, and what follows from it: names, labels, URLs and variables."""

    def __init__(
        self, spec: EnvironmentSpec, settings: KubernetesSettings, prepared: PreparedInputs, version: str
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.prepared = prepared
        self.version = version
        self.namespace = object_names.namespace(spec.name)
        self.labels = object_names.labels(spec, settings.server)
        self.generation = f"{object_names.generation(spec)}-{version}"
        public = [item.name for item in spec.services if item.public] or list(prepared.backends)
        self.hosts = {name: object_names.service_host(spec, name, public[0]) for name in public}
        if spec.mail:
            self.hosts[variables.MAIL] = object_names.service_host(spec, variables.MAIL, "")
        self.urls = {name: settings.url.format(host=host) for name, host in self.hosts.items()}
        self.url = next(iter(self.urls.values()), "")
        self.secret_keys = {variable: (object_names.SECRETS, variable) for variable in spec.secrets}
        self.secret_keys |= {item.variable: (object_names.database(item), "url") for item in spec.databases}
        self.database_parts = {
            f"database.{item.name}.{part}": (object_names.database(item), part)
            for item in spec.databases
            for part in variables.DATABASE_PARTS
        }

    def image(self, item: ServiceSpec) -> str:
        return self.prepared.images[item.image]

    @property
    def command_image(self) -> str:
        return self.prepared.images[_command_image(self.spec, self.prepared.images)]

    def manifest_variables(self) -> list[Data]:
        """Those of the containers in the repository's manifests."""
        return self.variables(ServiceSpec("manifests", "", public=False)).to_list()

    def variables(self, item: ServiceSpec) -> ContainerEnv:
        """All variables of a container. Eph's values override the repository's."""
        internal = {other.name: f"http://{other.name}" for other in self.spec.services if workloads.has_port(other)}
        fixed = {
            **variables.public_variables(self.urls),
            "PREVIEW_URL": self.urls.get(item.name, self.url),
            "EPH_ENVIRONMENT": self.spec.name,
            "EPH_COMMIT": self.spec.source.commit,
        }
        if self.spec.mail:
            fixed |= variables.smtp_variables(object_names.MAIL, servers.SMTP_PORT)
        if workloads.has_port(item):
            fixed["PORT"] = str(workloads.service_port(item))
        own = {key: value for key, value in {**self.spec.env, **item.env}.items() if key not in self.secret_keys}
        own = variables.fill(own, variables.address_values(self.url, self.urls, internal))
        plain = {**self.settings.variables, **own, **variables.internal_variables(internal, item.name), **fixed}
        return ContainerEnv(plain, self.secret_keys, self.database_parts)

    def public_ports(self) -> list[int]:
        declared = [workloads.service_port(item) for item in self.spec.services if item.public]
        mail = [servers.MAIL_WEB_PORT] if self.spec.mail else []
        return [*declared, *self.prepared.public_ports, *mail]

    def backend(self, name: str) -> tuple[str, int]:
        """The service object, and its port, that the host name of a public service leads to."""
        if self.spec.mail and name == variables.MAIL:
            return object_names.MAIL, workloads.HTTP_PORT
        return self.prepared.backends.get(name, (name, workloads.HTTP_PORT))

    def health_path(self, name: str) -> str:
        """The path of a service's health check; empty if it isn't known for a service in the repository's
        manifests."""
        if self.spec.mail and name == variables.MAIL:
            return "/"
        found = (item.health.path for item in self.spec.services if item.name == name)
        return next(found, None) or self.prepared.health.get(name, "")

    def cluster_settings(self) -> dict[str, str]:
        """The settings that a wait needs. None of them is secret."""
        return {
            "root": str(self.settings.root),
            "server": self.settings.server,
            "kubeconfig": self.settings.kubeconfig,
            "context": self.settings.context,
        }


def images_of_eph_yaml(spec: EnvironmentSpec, images: Mapping[str, str]) -> set[str]:
    """The names of the images that services, migrations, seed commands and hooks run in."""
    commands = [
        *(command for item in spec.databases for command in (item.migrate, item.seed) if command),
        *(spec.hooks.pre_create + spec.hooks.post_create + spec.hooks.pre_destroy),
    ]
    of_commands = {_command_image(spec, images)} if commands and images else set()
    return {item.image for item in spec.services if item.image} | of_commands


def _command_image(spec: EnvironmentSpec, images: Mapping[str, str]) -> str:
    """The image that migrations, seed commands and hooks run in: the first service's, or the first listed one if all
    services are in manifests."""
    of_services = (item.image for item in spec.services if item.image)
    return next(of_services, None) or next(iter(images))
