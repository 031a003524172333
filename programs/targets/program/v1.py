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
from programs.targets.program import projects, settings
from programs.targets.program.projects import SavedCopy

STORED = ("root", ENVIRONMENT_INPUT, TARGET_INPUT, "generation")
Props = dict[str, Any]


class ProjectProvider(ResourceProvider):
    """Only ``STORED`` and the results get into the state; ``checkpoint`` and ``passphrase`` are encrypted there."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        moved = [name for name in ("root", ENVIRONMENT_INPUT) if olds[name] != news[name]]
        complete = projects.is_complete(settings.load(olds["root"]), olds[ENVIRONMENT_INPUT])
        return DiffResult(
            changes=bool(moved) or not complete or olds["generation"] != news["generation"], replaces=moved
        )

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props[ENVIRONMENT_INPUT], self._apply(props, SavedCopy()))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(self._apply(news, _copy(olds)))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Always there: what is missing is repaired by an update, which restores the project's state from here."""
        return ReadResult(id_, props)

    def delete(self, id_: str, props: Props) -> None:
        projects.destroy(settings.load(props["root"]), id_, _copy(props))

    def _apply(self, props: Props, copy: SavedCopy) -> Props:
        done = projects.apply(settings.load(props["root"]), props[ENVIRONMENT_INPUT], props, copy)
        return {
            **{name: props[name] for name in STORED},
            "urls": dict(done.addresses.urls),
            "plan": done.plan,
            "checkpoint": done.checkpoint,
            "passphrase": done.passphrase,
            "notices": list(done.notices),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }


class Project(Resource, module="eph", name="Project"):
    at: pulumi.Output[str]
    urls: pulumi.Output[dict[str, str]]
    plan: pulumi.Output[str]
    checkpoint: pulumi.Output[str]
    passphrase: pulumi.Output[str]
    notices: pulumi.Output[list[str] | None]
    """None if an earlier version ran it."""

    def __init__(self, name: str, props: Props) -> None:
        results = dict.fromkeys(("at", "urls", "plan", "checkpoint", "passphrase", "notices"))
        secret = pulumi.ResourceOptions(additional_secret_outputs=["checkpoint", "passphrase"])
        super().__init__(ProjectProvider(), name, {**props, **results}, secret)


def _copy(olds: Props) -> SavedCopy:
    return SavedCopy(str(olds.get("checkpoint") or ""), str(olds.get("passphrase") or ""))


def export_project(spec: EnvironmentSpec, version: str) -> None:
    host = settings.from_mapping(spec.settings)
    url = host.url.format(host=spec.host)
    own = {"EPH_ENVIRONMENT": spec.name, "EPH_COMMIT": spec.source.commit, "EPH_URL": url}
    values = variables.address_values(url, {}, {})
    project = Project(
        "project",
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
            "project": dict(spec.options),
            "config": {
                "eph:name": spec.name,
                "eph:commit": spec.source.commit,
                "eph:pr": spec.marks.get("PRNumber", ""),
                "eph:host": spec.host,
            },
            "approved": spec.approved,
            "repository": spec.repository,
            "from_fork": spec.from_fork,
            "read_only_cache": spec.read_only_cache,
            "host": spec.host,
            "sign_in": spec.sign_in,
            "allow": list(spec.allow),
        },
    )
    OutputExporter({"web": url}, {}, "", (), project.notices).export(spec, version, project.at)
