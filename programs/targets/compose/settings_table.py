"""The table ``[compose]`` of eph.toml, the section ``compose`` of eph.yaml, and the checks of the whole file."""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr

from programs.eph_yaml.durations import Duration
from programs.eph_yaml.field_types import CommittedPath, Cpu, Memory, Name, Section, UrlPath
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.settings import (
    TEMPLATES_DESCRIPTION,
    InvalidValue,
    ServerContext,
    StringList,
    TargetSettings,
    TemplateDatabases,
    template_names,
)
from programs.spec import HealthCheck, ServiceSpec
from programs.targets.compose import wording

MEGABYTE = 1024**2
MAX_PREFIX = 24
"""In bits: a pool has room for at least four networks of environments."""


def _pool(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        network = None
    if network is None or network.prefixlen > MAX_PREFIX or not network.is_private:
        raise InvalidValue(wording.not_a_pool(value), wording.USE_A_POOL)
    return value


class ComposeTargetSettings(TargetSettings):
    """The target `compose`: a project of Docker Compose for each environment."""

    socket: Path = Field(
        default=Path("/var/run/docker.sock"), description="The socket of the container engine, Docker's or Podman's."
    )
    compose: str = Field(default="", description="Path to Docker Compose. Empty: the plugin of docker, or PATH.")
    docker: str = Field(
        default="", description="Path to the docker client, which builds images. Empty: docker on PATH."
    )
    networks: Annotated[str, AfterValidator(_pool)] = Field(
        default="10.221.0.0/16", description="The addresses of environments. Each of their networks gets 64 of them."
    )
    builds: Literal["allowed", "refused"] = Field(
        default="allowed", description="Whether compose files may use `build`."
    )
    build_memory: Memory = Field(default="4Gi", description="The maximum memory of a build.")
    build_cpu: Cpu = Field(default="2", description="The maximum CPU of a build.")
    build_seconds: int = Field(default=1800, ge=1, description="The maximum duration of a build.")
    build_network: Literal["default", "none"] = Field(
        default="default", description="The network of builds. none: no connections."
    )
    cpu: Cpu = Field(default="4", description="The maximum CPU of one environment; eph.yaml can set less.")
    memory: Memory = Field(default="4Gi", description="The maximum memory of one environment; eph.yaml can set less.")
    pids: int = Field(default=2048, ge=1, description="The maximum number of processes of one environment.")
    services: int = Field(default=20, ge=1, le=29, description="The maximum number of services of one environment.")
    start_seconds: int = Field(
        default=300, ge=1, description="How long the services of an environment may take to become healthy."
    )
    registries: StringList = Field(default=(), description="Prefixes of allowed images. Empty: any image.")
    docker_config: Path | None = Field(
        default=None, description="A folder with Docker's config.json, for registries that require a login."
    )
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="An administrator URL of a PostgreSQL server whose databases replace services of compose files.",
    )
    postgres_address: str = Field(
        default="", description="The address of that server for containers, as host or host:port. Empty: as in the URL."
    )
    templates: TemplateDatabases = Field(default=(), description=TEMPLATES_DESCRIPTION)
    checkout_bytes: int = Field(
        default=512 * MEGABYTE, ge=1024, description="The maximum total size of a commit's files, in bytes."
    )

    def template_names(self) -> frozenset[str]:
        return template_names(self.templates)

    def wakes_on_request(self) -> bool:
        return True

    def machine_folder(self, server: ServerContext) -> Path | None:
        return server.private_folder

    def image_registries(self) -> tuple[str, ...]:
        return self.registries


class PublicService(Section):
    """A service of the compose files that people can open."""

    service: Name = Field(description="The service's name in the compose file.")
    port: int = Field(ge=1, le=65535, description="The port that it listens on in its container.")
    health: UrlPath = Field(default="/", description="The path that must respond with 2xx or 3xx.")
    deadline: Duration = Field(default=timedelta(minutes=5), description="How long it may take to respond.")


class ComposeSection(TargetSection):
    """The repository's Docker Compose files, for the target `compose`."""

    uses_all_images: ClassVar[bool] = True

    files: tuple[CommittedPath, ...] = Field(
        default=(),
        max_length=10,
        description="Compose files; later ones override earlier ones. Empty: compose.yaml or docker-compose.yml.",
    )
    profiles: tuple[Name, ...] = Field(default=(), max_length=20, description="Profiles to enable.")
    public: tuple[PublicService, ...] = Field(
        default=(),
        max_length=10,
        description="Services with a host name. The first one's URL is the environment's.",
    )
    replace: dict[Name, Name] = Field(
        default_factory=dict,
        max_length=5,
        description="Services that don't run: a database of database.instances takes the place of each.",
    )

    def spec_fields(self, render: Callable[[str], str]) -> dict[str, Any]:  # noqa: ARG002 - it has no placeholders
        services = tuple(
            ServiceSpec(
                item.service,
                command="",
                port=item.port,
                health=HealthCheck(item.health, int(item.deadline.total_seconds())),
            )
            for item in self.public
        )
        files = list(map(posixpath.normpath, self.files))
        options: dict[str, Any] = {"files": files, "profiles": list(self.profiles)}
        if self.replace:
            options["replace"] = dict(self.replace)
        return {"services": services, "options": options}


def problems(file: EphYamlData) -> Iterator[Finding]:
    section = file["compose"]
    if not section or not section["public"]:
        path = ("compose",) if section else ()
        yield Finding(path, wording.NO_PUBLIC_SERVICE, wording.ADD_PUBLIC)
    names = [item["service"] for item in section["public"]] if section else []
    for index, name in enumerate(names):
        if name in names[:index]:
            where = ("compose", "public", index, "service")
            yield Finding(where, wording.listed_twice(name), wording.LIST_ONCE)
    if file["services"]:
        yield Finding(("services",), wording.TAKES_SERVICES_FROM_FILE, wording.LIST_PUBLIC)
    yield from _replacements(file, section["replace"] if section else {}, names)


def _replacements(file: EphYamlData, replace: dict[str, str], public: list[str]) -> Iterator[Finding]:
    """Each database takes the place of one service, and only SQL scripts seed it: commands run in services."""
    instances = file["database"]["instances"] if file["database"]["enabled"] else ()
    known = [item["name"] for item in instances]
    for index, (service, database) in enumerate(replace.items()):
        path = ("compose", "replace", service)
        if database not in known:
            yield Finding(path, wording.unknown_database(database), wording.known_databases(known))
        if service in public:
            yield Finding(path, wording.replaced_and_public(service), wording.LIST_ELSEWHERE)
        if database in list(replace.values())[:index]:
            yield Finding(path, wording.replaces_two(database), wording.USE_TWO_DATABASES)
    for index, item in enumerate(instances):
        instance = ("database", "instances", index)
        if item["name"] not in replace.values():
            yield Finding(instance, wording.replaces_nothing(item["name"]), wording.ADD_REPLACE)
        if item["migrate"]:
            yield Finding((*instance, "migrate"), wording.RUNS_NO_MIGRATION, wording.MIGRATE_IN_A_SERVICE)
        if item["template"]["seed"] and item["template"]["seed"]["command"]:
            yield Finding((*instance, "template", "seed", "command"), wording.RUNS_NO_SEED_COMMAND, wording.USE_SCRIPTS)


def notices(file: EphYamlData) -> Iterator[Finding]:
    if any(file["hooks"].values()):
        yield Finding(("hooks",), wording.RUNS_NO_HOOKS)
    if file["build"]:
        yield Finding(("build",), wording.RUNS_NO_BUILD)
