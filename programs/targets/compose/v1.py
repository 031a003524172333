"""The dynamic provider. Pulumi's state refers to this class by name, so it must never move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from programs import registry, variables
from programs.kit import identifiers
from programs.kit.database import hidden_names
from programs.outputs import OutputExporter
from programs.spec import EnvironmentSpec
from programs.targets.compose import databases, environments, inventory, publication, settings

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
        host, wanted = settings.load(props["root"]), publication.from_props(props)
        environments.publish(host, wanted)
        return {
            **{name: props[name] for name in STORED},
            "database_urls": databases.urls(host, wanted) if wanted.databases else {},
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }


class ComposeProject(Resource, module="eph", name="ComposeProject"):
    at: pulumi.Output[str]
    database_urls: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, props: Props) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["database_urls"])
        super().__init__(ComposeProjectProvider(), name, {**props, "at": None, "database_urls": None}, secret)


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
        "databases": _databases(spec),
    }
    project = ComposeProject("project", props)
    # A state of an earlier version has no URLs, and had no databases.
    database_urls = {item.name: project.database_urls.apply(_url_of(item.name)) for item in spec.databases}
    OutputExporter(urls, database_urls, "", ()).export(spec, version, project.at)


def _url_of(name: str) -> Callable[[dict[str, str] | None], str]:
    return lambda urls: (urls or {}).get(name, "")


def _databases(spec: EnvironmentSpec) -> list[Props]:
    """In the place of services."""
    by_name = {item.name: item for item in spec.databases}
    return [
        {
            "service": service,
            "title": name,
            "database": hidden_names.database_name(spec.name, by_name[name]),
            "variable": by_name[name].variable,
            "source": by_name[name].source,
            "scripts": list(by_name[name].scripts),
        }
        for service, name in (spec.options.get("replace") or {}).items()
        if name in by_name
    ]


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
