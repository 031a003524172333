"""The section `aws` of eph.yaml, and the checks of a file for this target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from programs import variables
from programs.eph_yaml.field_types import Name
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection, YamlPath
from programs.targets.aws import data_sources, wording

MAX_PARTS = 5


class AwsSection(TargetSection):
    """Sizes, queues and buckets, for the target `aws`."""

    size: Literal["ephemeral", "full"] = Field(
        default="ephemeral",
        description="ephemeral: the smallest database and one replica. full: like production, if the server allows it.",
    )
    queues: tuple[Name, ...] = Field(
        default=(),
        max_length=MAX_PARTS,
        description="SQS queues, each with a dead-letter queue. Services find the URL in <NAME>_QUEUE_URL.",
    )
    buckets: tuple[Name, ...] = Field(
        default=(), max_length=MAX_PARTS, description="S3 buckets. Services find the bucket's name in <NAME>_BUCKET."
    )


def problems(file: EphYamlData) -> Iterator[Finding]:
    if not file["services"]:
        yield Finding((), wording.NEEDS_SERVICES, wording.ADD_SERVICES)
    for index, service in enumerate(file["services"]):
        yield from _service_problems(("services", index), service)
    for index, item in enumerate(file["database"]["instances"] if file["database"]["enabled"] else ()):
        yield from _database_problems(("database", "instances", index), item)
    if file["hooks"]["pre_destroy"]:
        yield Finding(("hooks", "pre_destroy"), wording.RUNS_NO_DESTROY_HOOK, wording.REMOVE_DESTROY_HOOK)
    protection = file["environment"]["protection"]
    if protection and protection["sign_in"] == "required":
        yield Finding(("environment", "protection"), wording.HAS_NO_SIGN_IN, wording.USE_NO_SIGN_IN)
    yield from _database_placeholders(file)
    yield from _repeated(file)


def _database_problems(path: YamlPath, item: dict[str, Any]) -> Iterator[Finding]:
    template = item["template"]
    if template["seed"] and template["seed"]["scripts"]:
        yield Finding((*path, "template", "seed", "scripts"), wording.HAS_NO_CHECKOUT, wording.USE_SEED_COMMAND)
    if template["mask"]:
        yield Finding((*path, "template", "mask"), wording.MASK_IS_THE_SERVERS, wording.REMOVE_MASK)
    if template["strategy"] == data_sources.READ_REPLICA and item["migrate"]:
        yield Finding((*path, "migrate"), wording.REPLICA_CANNOT_MIGRATE, wording.REMOVE_MIGRATE)


def _service_problems(path: YamlPath, service: dict[str, Any]) -> Iterator[Finding]:
    name = service["name"]
    if service["image"] is None:
        yield Finding(path, wording.has_no_image(name), wording.ADD_IMAGE)
    if service["schedule"]:
        yield Finding((*path, "schedule"), wording.has_schedule(name), wording.REMOVE_SCHEDULE)
    if service["volumes"]:
        yield Finding((*path, "volumes"), wording.has_volumes(name), wording.USE_BUCKETS)


def _database_placeholders(file: EphYamlData) -> Iterator[Finding]:
    """A task definition would show their values to everyone who can read it."""
    places: list[tuple[YamlPath, dict[str, str]]] = [(("environment", "env"), file["environment"]["env"])]
    places += [(("services", index, "env"), item["env"]) for index, item in enumerate(file["services"])]
    for path, env in places:
        for name, text in env.items():
            for placeholder in variables.placeholders(text):
                if placeholder.startswith("database."):
                    yield Finding((*path, name), wording.placeholder_not_filled(placeholder), wording.READ_VARIABLE)


def _repeated(file: EphYamlData) -> Iterator[Finding]:
    for kind in ("queues", "buckets"):
        names = (file["aws"] or {}).get(kind, ())
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Finding(("aws", kind, index), wording.listed_twice(name), wording.LIST_ONCE)


def notices(file: EphYamlData) -> Iterator[Finding]:
    if file["build"]:
        yield Finding(("build",), wording.RUNS_NO_BUILD)
