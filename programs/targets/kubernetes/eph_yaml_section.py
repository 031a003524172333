"""The section `kubernetes` of eph.yaml, and the checks of a file for this target."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from programs.eph_yaml.field_types import URL_PATH_SCHEMA, CommittedPath, Section, UrlPath, matches
from programs.eph_yaml.numbers import YamlFloat, YamlInt
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.eph_yaml.templates import parse_template
from programs.quoting import quote
from programs.settings import InvalidValue
from programs.targets.kubernetes import wording

_VALUE = r"^[A-Za-z0-9_-]{1,60}(\.[A-Za-z0-9_-]{1,60}){0,9}$"

_SERVICE = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
_SERVICE_SCHEMA: dict[str, Any] = {"type": "string", "pattern": _SERVICE}
MAX_PUBLIC = 10


def _value(value: Any) -> Any:
    """Text is a template; numbers stay numbers."""
    if isinstance(value, YamlInt):
        return int(value.text)
    if isinstance(value, YamlFloat):
        return float(value.text)
    if isinstance(value, str):
        parse_template(value)
    return value


def _services(value: Any) -> Any:
    """A name stands for a service without anything else."""
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple({"service": item} if isinstance(item, str) else item for item in listed)


def _without_duplicates(value: tuple[ManifestService, ...]) -> tuple[ManifestService, ...]:
    names = [item.service for item in value]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidValue(wording.listed_twice(quote(twice)), wording.LIST_ONCE)
    if len(value) > MAX_PUBLIC:
        raise InvalidValue(wording.too_many_public(len(value)), wording.list_at_most(MAX_PUBLIC))
    return value


ValuePath = Annotated[str, matches(_VALUE, wording.VALUE_PATH, wording.USE_DOTS)]
ServiceName = Annotated[
    str,
    matches(_SERVICE, wording.SERVICE_NAME, wording.USE_SERVICE_NAME),
    WithJsonSchema(_SERVICE_SCHEMA),
]
ValueText = Annotated[
    str | int | float | bool, BeforeValidator(_value), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


class ManifestService(Section):
    """A service of the manifests that people can open."""

    service: ServiceName = Field(description="Its name in the manifests, or the end of it.")
    health: UrlPath | None = Field(
        default=None,
        description="The path that must respond with 2xx. Default: that of its pods' readiness probe, or /.",
    )


_FIELDS = ManifestService.model_fields
_PUBLIC_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _SERVICE_SCHEMA,
        {
            "type": "object",
            "properties": {
                "service": {**_SERVICE_SCHEMA, "description": _FIELDS["service"].description},
                "health": {**URL_PATH_SCHEMA, "description": _FIELDS["health"].description},
            },
            "required": ["service"],
            "additionalProperties": False,
        },
    ]
}
PublicServices = Annotated[
    tuple[ManifestService, ...],
    BeforeValidator(_services),
    AfterValidator(_without_duplicates),
    WithJsonSchema(
        {"anyOf": [*_PUBLIC_SCHEMA["anyOf"], {"type": "array", "items": _PUBLIC_SCHEMA, "maxItems": MAX_PUBLIC}]}
    ),
]


class KubernetesSection(TargetSection):
    """The repository's own manifests, for the target `kubernetes`."""

    uses_all_images: ClassVar[bool] = True

    manifests: tuple[CommittedPath, ...] = Field(
        min_length=1, description="Files or folders, applied in this order: plain manifests, kustomize or a Helm chart."
    )
    public: PublicServices = Field(
        default=(),
        description="The service of the manifests that people open, or a list of them: the first has the environment's "
        "URL, the others have their own. Each is a name, or has a `service` and a `health` path. Default: those that "
        "Ingresses and HTTPRoutes route hosts to, or the only one, or the one named like the project or the chart's "
        "release.",
    )
    values: dict[ValuePath, ValueText] = Field(
        default={},
        max_length=200,
        description="Values for Helm charts, by dotted path such as image.tag; values can be templates.",
    )
    values_files: tuple[CommittedPath, ...] = Field(
        default=(), max_length=20, description="Values files for Helm charts; `values` override them."
    )

    def public_services(self) -> tuple[str, ...]:
        return tuple(item.service for item in self.public)

    def spec_fields(self, render: Callable[[str], str]) -> dict[str, Any]:
        values = {key: render(value) if isinstance(value, str) else value for key, value in self.values.items()}
        options: dict[str, Any] = {"public": list(self.public_services())} if self.public else {}
        paths = {item.service: item.health for item in self.public if item.health}
        options |= {"health": paths} if paths else {}
        return {
            "manifests": tuple(map(posixpath.normpath, self.manifests)),
            "values": values,
            "values_files": tuple(map(posixpath.normpath, self.values_files)),
            **({"options": options} if options else {}),
        }


def problems(file: EphYamlData) -> Iterator[Finding]:
    if not file["services"] and not file["kubernetes"]:
        yield Finding((), wording.NEEDS_SERVICES, wording.ADD_SERVICES)
    for index, service in enumerate(file["services"]):
        if service["image"] is None:
            yield Finding(("services", index), wording.needs_image(service["name"]), wording.ADD_IMAGE)
        for path in service["volumes"]:
            if not path.startswith("/"):
                yield Finding(("services", index, "volumes"), wording.relative_volume(path), wording.USE_ABSOLUTE_PATH)
    if not file["environment"]["images"]:
        for path in _commands(file):
            yield Finding(path, wording.NO_IMAGE_FOR_COMMAND, wording.LIST_IMAGE)
    used = {service["image"] for service in file["services"]}
    for index, image in enumerate(() if file["kubernetes"] else file["environment"]["images"]):
        if file["services"] and image["name"] not in used:
            path = ("environment", "images", index, "name")
            yield Finding(path, wording.unused_image(image["name"]), wording.USE_IMAGE)


def _commands(file: EphYamlData) -> Iterator[tuple[str | int, ...]]:
    """The paths of commands that run in an image."""
    for index, item in enumerate(file["database"]["instances"]):
        if item["migrate"]:
            yield "database", "instances", index, "migrate"
        if item["template"]["seed"] and item["template"]["seed"]["command"]:
            yield "database", "instances", index, "template", "seed", "command"
    for name, commands in file["hooks"].items():
        if commands:
            yield "hooks", name


def notices(file: EphYamlData) -> Iterator[Finding]:
    if file["kubernetes"] and file["kubernetes"]["public"] and any(item["public"] for item in file["services"]):
        yield Finding(("kubernetes", "public"), wording.PUBLIC_WITHOUT_EFFECT)
    if file["build"]:
        yield Finding(("build",), wording.RUNS_NO_BUILD)
    for index, image in enumerate(file["environment"]["images"]):
        if image["fallback"] == "fail" and image["fallback_tag"]:
            path = ("environment", "images", index, "fallback_tag")
            yield Finding(path, wording.FALLBACK_TAG_WITHOUT_EFFECT)
        if image["replaces"] and not file["kubernetes"]:
            path = ("environment", "images", index, "replaces")
            yield Finding(path, wording.REPLACES_WITHOUT_EFFECT)
