"""The table [cloudrun] of eph.toml, and the section cloudrun of eph.yaml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, SecretStr

from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.settings import StringList, TargetSettings
from programs.spec import EnvironmentSpec

RUN_URL = "https://{service}-{number}.{region}.run.app"


class CloudRunSettings(TargetSettings):
    """The target `cloudrun`: services of Google Cloud Run."""

    project: str = Field(default="", description="The ID of the Google Cloud project.")
    project_number: str = Field(default="", description="The number of that project, which is part of URLs.")
    region: str = Field(default="", description="The region, such as europe-west1.")
    invokers: StringList = Field(
        default=("allUsers",), description="Who can open previews, such as group:dev@example.com."
    )
    service_account: str = Field(
        default="", description="The e-mail address of the account that services run as. Empty: the project's default."
    )
    max_instances: int = Field(default=3, ge=1, description="The maximum number of instances of a service.")
    cpu: str = Field(default="1", description="The CPUs of an instance.")
    memory: str = Field(default="512Mi", description="The memory of an instance.")
    domain_mapping: bool = Field(
        default=False, description="Whether an environment's own host name is mapped to its first service."
    )
    registries: StringList = Field(default=(), description="Prefixes of allowed images. Empty: any image.")
    access_token: SecretStr = Field(
        default=SecretStr(""), description="An OAuth token. Empty: Google's default credentials."
    )
    endpoint: str = Field(default="", description="A URL that serves Google's APIs, for tests. Empty: Google.")
    run_url: str = Field(default=RUN_URL, description="The form of services' URLs. Only tests need another one.")

    def image_registries(self) -> tuple[str, ...]:
        return self.registries


class CloudRunSection(TargetSection):
    """Cloud Run, for the target `cloudrun`."""

    max_instances: int | None = Field(default=None, ge=1, description="The maximum number of instances of a service.")
    concurrency: int = Field(default=80, ge=1, le=1000, description="How many requests one instance serves at a time.")


@dataclass(frozen=True, slots=True)
class CloudRunHost:
    """The settings, as this package's modules use them."""

    project: str
    number: str
    region: str
    server: str
    routes: str
    url: str
    invokers: tuple[str, ...]
    service_account: str
    max_instances: int
    cpu: str
    memory: str
    domain_mapping: bool
    access_token: str
    endpoint: str
    run_url: str

    @property
    def location(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def is_configured(self) -> bool:
        return bool(self.project and self.number and self.region)


def from_mapping(data: Mapping[str, str]) -> CloudRunHost:
    return CloudRunHost(
        project=data["project"],
        number=data["project_number"],
        region=data["region"],
        server=data["server"],
        routes=data["routes"],
        url=data["url"],
        invokers=tuple(filter(None, data["invokers"].split(","))),
        service_account=data["service_account"],
        max_instances=int(data["max_instances"]),
        cpu=data["cpu"],
        memory=data["memory"],
        domain_mapping=data["domain_mapping"] == "True",
        access_token=data["access_token"],
        endpoint=data["endpoint"],
        run_url=data["run_url"],
    )


def problems(file: EphYamlData) -> Iterator[Finding]:
    """Of a file that this target can't build, before anything exists."""
    if not file["services"]:
        yield Finding((), "the target `cloudrun` needs services", "add services, each with an image")
    for index, service in enumerate(file["services"]):
        path, name = ("services", index), service["name"]
        if service["image"] is None:
            yield Finding(path, f"service `{name}` has no image", "name one of environment.images")
        if service["schedule"]:
            yield Finding((*path, "schedule"), "the target `cloudrun` runs no cron jobs", "remove the schedule")
        if service["volumes"]:
            yield Finding((*path, "volumes"), "Cloud Run has no disks", "remove the volumes")
    if file["database"]["instances"]:
        where = ("database", "instances")
        yield Finding(where, "the target `cloudrun` doesn't create databases", "pass a database's URL as a secret")
    protection = file["environment"]["protection"]
    if protection and protection["sign_in"] == "required":
        where = ("environment", "protection")
        yield Finding(where, "Eph's sign-in doesn't protect Cloud Run", "use cloudrun.invokers in eph.toml")


def notices(file: EphYamlData) -> Iterator[Finding]:
    if file["build"]:
        yield Finding(("build",), "the target `cloudrun` runs no build; build the image in CI")
    if any(file["hooks"].values()):
        yield Finding(("hooks",), "the target `cloudrun` runs no hooks")


def check(spec: EnvironmentSpec, host: CloudRunHost) -> None:
    """What only the server knows. Raises an error for people."""
    if not host.is_configured:
        raise ValueError("Set cloudrun.project, cloudrun.project_number and cloudrun.region in eph.toml.")
    if spec.sign_in:
        raise ValueError("This server requires sign-in, which doesn't protect Cloud Run. Set cloudrun.invokers.")
    wanted: Any = spec.options.get("max_instances") or host.max_instances
    if int(wanted) > host.max_instances:
        raise ValueError(f"cloudrun.max_instances is {wanted}; this server's limit is {host.max_instances}.")
    for service in spec.services:
        if "@sha256:" not in spec.images.get(service.image, ""):
            known = ", ".join(sorted(spec.images)) or "none"
            raise ValueError(f"service {service.name!r}: no pinned image {service.image!r}. Images: {known}.")
