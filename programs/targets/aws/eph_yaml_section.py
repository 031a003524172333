"""The section `aws` of eph.yaml, and the checks of a file for this target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from programs import variables
from programs.eph_yaml.field_types import Name
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection, YamlPath

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
        yield Finding((), "the target `aws` needs services", "add services, each with name, image and port")
    for index, service in enumerate(file["services"]):
        yield from _service_problems(("services", index), service)
    for index, item in enumerate(file["database"]["instances"] if file["database"]["enabled"] else ()):
        if item["template"]["seed"] and item["template"]["seed"]["scripts"]:
            path = ("database", "instances", index, "template", "seed", "scripts")
            yield Finding(path, "the target `aws` has no checkout to read scripts from", "use seed.command")
    if file["hooks"]["pre_destroy"]:
        message = "the target `aws` runs nothing when an environment is destroyed"
        yield Finding(("hooks", "pre_destroy"), message, "remove pre_destroy")
    protection = file["environment"]["protection"]
    if protection and protection["sign_in"] == "required":
        message = "previews on the target `aws` are reached through AWS's load balancer, which can't require sign-in"
        yield Finding(("environment", "protection"), message, "use sign_in: none, or another target")
    yield from _database_placeholders(file)
    yield from _repeated(file)


def _service_problems(path: YamlPath, service: dict[str, Any]) -> Iterator[Finding]:
    name = service["name"]
    if service["image"] is None:
        message = f"the target `aws` needs an image for each service, but service `{name}` has none"
        yield Finding(path, message, "add image, the name of one of environment.images")
    if service["schedule"]:
        message = f"the target `aws` doesn't run services on a schedule, but `{name}` has one"
        yield Finding((*path, "schedule"), message, "remove schedule, or use another target")
    if service["volumes"]:
        message = f"the target `aws` has no volumes, but service `{name}` uses some"
        yield Finding((*path, "volumes"), message, "use aws.buckets or a database")


def _database_placeholders(file: EphYamlData) -> Iterator[Finding]:
    """A task definition would show their values to everyone who can read it."""
    places: list[tuple[YamlPath, dict[str, str]]] = [(("environment", "env"), file["environment"]["env"])]
    places += [(("services", index, "env"), item["env"]) for index, item in enumerate(file["services"])]
    for path, env in places:
        for name, text in env.items():
            for placeholder in variables.placeholders(text):
                if placeholder.startswith("database."):
                    message = f"the target `aws` can't fill in {{{placeholder}}}"
                    yield Finding((*path, name), message, "read the database's variable in the application")


def _repeated(file: EphYamlData) -> Iterator[Finding]:
    for kind in ("queues", "buckets"):
        names = (file["aws"] or {}).get(kind, ())
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Finding(("aws", kind, index), f"`{name}` is listed twice", "use each name once")


def notices(file: EphYamlData) -> Iterator[Finding]:
    if file["build"]:
        yield Finding(("build",), "the target `aws` doesn't build; images come from CI")
