"""The dynamic provider. Pulumi's state refers to this class by name, so it must never move."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from programs import registry, variables
from programs.kit import identifiers
from programs.outputs import OutputExporter
from programs.spec import EnvironmentSpec
from programs.targets.compose import environments, inventory, publication, settings

STORED = ("root", registry.ENVIRONMENT_INPUT, registry.TARGET_INPUT, registry.PINNED_INPUT, "generation")
Props = dict[str, Any]


class ComposeProjectProvider(ResourceProvider):
    """Only ``STORED`` gets into the state: the clone URL and variables may contain secrets."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        moved = [name for name in ("root", registry.ENVIRONMENT_INPUT) if olds[name] != news[name]]
        return DiffResult(changes=bool(moved) or olds["generation"] != news["generation"], replaces=moved)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props[registry.ENVIRONMENT_INPUT], self._publish(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(self._publish(news))

    def read(self, id_: str, props: Props) -> ReadResult:
        is_whole = id_ in inventory.list_whole(settings.load(props["root"]))
        return ReadResult(id_, props) if is_whole else ReadResult("", {})

    def delete(self, id_: str, props: Props) -> None:
        environments.remove(settings.load(props["root"]), id_)

    def _publish(self, props: Props) -> Props:
        environments.publish(settings.load(props["root"]), publication.from_props(props))
        return {**{name: props[name] for name in STORED}, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}


class ComposeProject(Resource, module="eph", name="ComposeProject"):
    at: pulumi.Output[str]

    def __init__(self, name: str, props: Props) -> None:
        super().__init__(ComposeProjectProvider(), name, {**props, "at": None})


def export_project(spec: EnvironmentSpec, version: str) -> None:
    host = settings.from_mapping(spec.settings)
    urls = {item.name: host.url.format(host=identifiers.service_host(spec, item.name)) for item in spec.services}
    props = {
        "root": spec.settings["root"],
        registry.ENVIRONMENT_INPUT: spec.name,
        registry.TARGET_INPUT: spec.target,
        registry.PINNED_INPUT: {
            "commit": spec.source.commit,
            "images": dict(spec.images),
            "found": dict(spec.found),
        },
        "generation": identifiers.generation(spec, version),
        "clone_url": pulumi.Output.secret(spec.source.clone_url),
        "commit": spec.source.commit,
        "public": [_public(spec, item) for item in spec.services],
        "files": spec.options.get("files") or [],
        "profiles": spec.options.get("profiles") or [],
        "variables": pulumi.Output.secret(_variables(spec, urls)),
        "secrets": sorted(spec.secrets),
        "images": dict(spec.images),
        "replaced": dict(spec.replaced_images),
        "resources": dict(spec.resources),
        "sign_in": spec.sign_in,
        "allow": list(spec.allow),
        "asleep": spec.asleep,
    }
    project = ComposeProject("project", props)
    OutputExporter(urls, {}, "", ()).export(spec, version, project.at)


def _public(spec: EnvironmentSpec, service: Any) -> Props:
    return {
        "service": service.name,
        "port": service.port,
        "path": service.health.path,
        "deadline": service.health.deadline,
        "host": identifiers.service_host(spec, service.name),
    }


def _variables(spec: EnvironmentSpec, urls: dict[str, str]) -> dict[str, str]:
    url = next(iter(urls.values()), "")
    own = {"EPH_ENVIRONMENT": spec.name, "EPH_COMMIT": spec.source.commit, "EPH_URL": url}
    values = variables.address_values(url, urls, {})
    return {**variables.fill(spec.env, values), **variables.public_variables(urls), **spec.secret_values, **own}
