"""What the entry point names. Pulumi and pulumi-gcp are imported only when a program runs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from eph_cloudrun import config, names
from eph_cloudrun.api import CloudRunApi, GoogleError
from eph_cloudrun.config import CloudRunHost
from programs.inventory import HeldResource
from programs.kit import identifiers, routes
from programs.registry import TargetDescription
from programs.runtime_info import LogLines, LogRequest, with_service_prefix
from programs.spec import EnvironmentSpec

TARGET_NAME = "cloudrun"
Settings = Mapping[str, str]


class CloudRunTarget:
    version = "cloudrun-1"
    description = TargetDescription(
        title="The target `cloudrun`.",
        settings_model=config.CloudRunSettings,
        section_model=config.CloudRunSection,
        problems=config.problems,
        notices=config.notices,
        runs_images=True,
        plugins=("gcp",),
    )

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        host = config.from_mapping(spec.settings)
        identifiers.check_commit(spec.source.commit)
        config.check(spec, host)

        def run() -> None:
            from eph_cloudrun.program import build

            build(spec, host, self.version)

        return run

    def ensure(self, settings: Settings) -> None:
        """Environments share nothing that Eph would have to start."""

    def stop(self, settings: Settings) -> None:
        """Nothing of Eph runs besides the environments."""

    def purge(self, name: str, settings: Settings) -> None:
        host = config.from_mapping(settings)
        routes.delete_of(Path(host.routes), name, TARGET_NAME)
        if host.is_configured:
            api = CloudRunApi(host)
            for mapping in api.domain_mappings(name):
                api.delete_domain_mapping(mapping["metadata"]["name"])
            for service in api.services(name):
                api.delete_service(service["name"])

    def list_environments(self, settings: Settings) -> frozenset[str]:
        host = config.from_mapping(settings)
        routed = {route.environment for route in routes.list_routes(Path(host.routes), TARGET_NAME)}
        return frozenset({item.environment for item in self.list_resources(settings)} | routed)

    def list_remaining(self, settings: Settings) -> list[str]:
        host = config.from_mapping(settings)
        routed = [
            f"route {route.host} of {route.environment}" for route in routes.list_routes(Path(host.routes), TARGET_NAME)
        ]
        return [f"{item.kind} {item.name} of {item.environment}" for item in self.list_resources(settings)] + routed

    def list_resources(self, settings: Settings) -> list[HeldResource]:
        host = config.from_mapping(settings)
        if not host.is_configured:
            return []
        api = CloudRunApi(host)
        return [
            *(_service(host, item) for item in api.services()),
            *(_mapping(host, item) for item in api.domain_mappings()),
        ]

    def delete_resource(self, resource: HeldResource, settings: Settings) -> bool:
        host = config.from_mapping(settings)
        if resource.kind == "domain mapping":
            CloudRunApi(host).delete_domain_mapping(resource.name)
        else:
            CloudRunApi(host).delete_service(f"{host.location}/services/{resource.name}")
        return True

    def remove_unrecorded(self, name: str, settings: Settings, recorded: frozenset[str]) -> bool:
        """A service that was created just before Eph was killed: its name would be taken."""
        api, removed = CloudRunApi(config.from_mapping(settings)), False
        for service in api.services(name):
            if service["name"] not in recorded:
                api.delete_service(service["name"])
                removed = True
        return removed

    def live_resources(self, settings: Settings) -> Mapping[str, frozenset[str]]:
        """The IDs that Pulumi's state uses. A service without a ready revision has never served anything."""
        services = CloudRunApi(config.from_mapping(settings)).services()
        return {"Service": frozenset(item["name"] for item in services if item.get("latestReadyRevision"))}

    def stop_serving(self, name: str, settings: Settings) -> None:
        """Visitors don't pass Eph's gateway, so nobody may invoke the services any more."""
        api = CloudRunApi(config.from_mapping(settings))
        for service in api.services(name):
            try:
                api.revoke_invokers(service["name"])
            except GoogleError as error:
                if error.status != 404:
                    raise

    def logs(self, name: str, settings: Settings, request: LogRequest) -> LogLines:
        api = CloudRunApi(config.from_mapping(settings))
        found = {item["name"].rpartition("/")[2]: item["labels"][names.SERVICE] for item in api.services(name)}
        wanted = [key for key, service in found.items() if request.service in (None, service)]
        lines = [(found[key], line) for key, line in api.log_lines(wanted, request.lines)]
        return LogLines(with_service_prefix(lines[-request.lines :], multiple=len(wanted) > 1))


def _service(host: CloudRunHost, item: dict[str, object]) -> HeldResource:
    path, labels = str(item["name"]), item["labels"]
    assert isinstance(labels, dict)  # noqa: S101 - for the type checker; only labelled services are listed
    name = path.rpartition("/")[2]
    removal = f"gcloud run services delete {name} --project {host.project} --region {host.region}"
    return HeldResource("service", name, str(labels[names.ENVIRONMENT]), f"Service:{path}", removal)


def _mapping(host: CloudRunHost, item: dict[str, dict[str, dict[str, str]]]) -> HeldResource:
    name, environment = str(item["metadata"]["name"]), item["metadata"]["labels"][names.ENVIRONMENT]
    removal = f"gcloud beta run domain-mappings delete --domain {name} --project {host.project} --region {host.region}"
    return HeldResource("domain mapping", name, environment, "", removal)


TARGET = CloudRunTarget()
