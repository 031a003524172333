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
from programs.targets.pipeline import environments, publication, settings

STORED = ("root", ENVIRONMENT_INPUT, TARGET_INPUT, "generation")
Props = dict[str, Any]


class PipelineProvider(ResourceProvider):
    """Only ``STORED`` and the results get into the state; ``data_url`` is encrypted there."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        moved = [name for name in ("root", ENVIRONMENT_INPUT) if olds[name] != news[name]]
        complete = olds[ENVIRONMENT_INPUT] in environments.list_complete(settings.load(olds["root"]))
        return DiffResult(
            changes=bool(moved) or not complete or olds["generation"] != news["generation"], replaces=moved
        )

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props[ENVIRONMENT_INPUT], self._deploy(props, ""))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(self._deploy(news, str(olds.get("data_url") or "")))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Always there: what is missing is repaired by an update."""
        return ReadResult(id_, props)

    def delete(self, id_: str, props: Props) -> None:
        environments.remove(settings.load(props["root"]), id_)

    def _deploy(self, props: Props, previous_url: str) -> Props:
        name = props[ENVIRONMENT_INPUT]
        done = environments.deploy(settings.load(props["root"]), name, props, previous_url)
        return {
            **{key: props[key] for key in STORED},
            "dag_ids": list(done.dag_ids),
            "data_url": done.data_url,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }


class Pipeline(Resource, module="eph", name="Pipeline"):
    at: pulumi.Output[str]
    dag_ids: pulumi.Output[list[str]]
    data_url: pulumi.Output[str]

    def __init__(self, name: str, props: Props) -> None:
        results = dict.fromkeys(("at", "dag_ids", "data_url"))
        secret = pulumi.ResourceOptions(additional_secret_outputs=["data_url"])
        super().__init__(PipelineProvider(), name, {**props, **results}, secret)


def export_pipeline(spec: EnvironmentSpec, version: str) -> None:
    host = settings.from_mapping(spec.settings)
    url = host.url.format(host=spec.host)
    values = variables.address_values(url, {publication.SERVICE: url}, {})
    pipeline = Pipeline(
        "pipeline",
        {
            "root": spec.settings["root"],
            ENVIRONMENT_INPUT: spec.name,
            TARGET_INPUT: spec.target,
            "generation": identifiers.generation(spec, version),
            "clone_url": pulumi.Output.secret(spec.source.clone_url),
            "commit": spec.source.commit,
            "env": {**variables.fill(spec.env, values), "EPH_URL": url},
            "options": dict(spec.options),
            "label": _label(spec),
            "owner": spec.marks.get("Team", ""),
            "host": spec.host,
            "sign_in": spec.sign_in,
            "allow": list(spec.allow),
        },
    )
    database_urls = {"data": pipeline.data_url} if spec.options["connections"] else {}
    OutputExporter({publication.SERVICE: url}, database_urls, "", ()).export(spec, version, pipeline.at)


def _label(spec: EnvironmentSpec) -> str:
    """How people call it in Airflow, where it is one of many."""
    number = spec.marks.get("PRNumber")
    return f"pr-{number}" if number else spec.name
