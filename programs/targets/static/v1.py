"""The dynamic provider. Pulumi's state refers to this class by name, so it must never move."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from programs import variables
from programs.kit import identifiers
from programs.outputs import OutputExporter
from programs.registry import ENVIRONMENT_INPUT, TARGET_INPUT
from programs.spec import EnvironmentSpec
from programs.targets.static import settings, sites

STORED = ("root", ENVIRONMENT_INPUT, TARGET_INPUT, "generation")
Props = dict[str, Any]


class StaticSiteProvider(ResourceProvider):
    """Only ``STORED`` gets into the state: the clone URL and the variables of the build may contain secrets."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        moved = [name for name in ("root", ENVIRONMENT_INPUT) if olds[name] != news[name]]
        return DiffResult(changes=bool(moved) or olds["generation"] != news["generation"], replaces=moved)

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props[ENVIRONMENT_INPUT], self._publish(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(self._publish(news))

    def read(self, id_: str, props: Props) -> ReadResult:
        exists = id_ in sites.list_complete(settings.load(props["root"]))
        return ReadResult(id_, props) if exists else ReadResult("", {})

    def delete(self, id_: str, props: Props) -> None:
        sites.remove(settings.load(props["root"]), id_)

    def _publish(self, props: Props) -> Props:
        sites.publish(settings.load(props["root"]), props[ENVIRONMENT_INPUT], props)
        return {**{name: props[name] for name in STORED}, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}


class StaticSite(Resource, module="eph", name="StaticSite"):
    at: pulumi.Output[str]

    def __init__(self, name: str, props: Props) -> None:
        super().__init__(StaticSiteProvider(), name, {**props, "at": None})


def export_site(spec: EnvironmentSpec, version: str) -> None:
    host = settings.from_mapping(spec.settings)
    url = host.url.format(host=spec.host)
    own = {"EPH_ENVIRONMENT": spec.name, "EPH_COMMIT": spec.source.commit, "EPH_URL": url}
    values = variables.address_values(url, {sites.SERVICE: url}, {})
    site = StaticSite(
        "site",
        {
            "root": spec.settings["root"],
            ENVIRONMENT_INPUT: spec.name,
            TARGET_INPUT: spec.target,
            "generation": identifiers.generation(spec, version),
            "clone_url": pulumi.Output.secret(spec.source.clone_url),
            "commit": spec.source.commit,
            "build": {"command": spec.build.run, "timeout": spec.build.timeout} if spec.build else None,
            "env": pulumi.Output.secret({**variables.fill(spec.env, values), **spec.secret_values, **own}),
            "secrets": sorted(spec.secrets),
            "repository": spec.repository,
            "from_fork": spec.from_fork,
            "read_only_cache": spec.read_only_cache,
            "folder": spec.options["root"],
            "fallback": spec.options["fallback"],
            "host": spec.host,
            "sign_in": spec.sign_in,
            "allow": list(spec.allow),
        },
    )
    OutputExporter({sites.SERVICE: url}, {}, "", ()).export(spec, version, site.at)
