"""What an eph.yaml needs for the target `local`, and which of its fields have no effect there."""

from __future__ import annotations

from collections.abc import Iterator

from programs.eph_yaml.target_section import EphYamlData, Finding
from programs.targets.local import wording


def problems(file: EphYamlData) -> Iterator[Finding]:
    if not file["services"]:
        yield Finding((), wording.NEEDS_A_SERVICE, wording.ADD_SERVICES)
    for index, service in enumerate(file["services"]):
        if service["command"] is None:
            yield Finding(("services", index), wording.has_no_command(service["name"]), wording.ADD_COMMAND)


def hints(written: EphYamlData) -> Iterator[Finding]:
    """Elsewhere, a private service without a port is a worker. Here it may be either, and only its author knows."""
    for index, service in enumerate(written.get("services", ())):
        says = service.keys() & {"health", "schedule", "port"}
        if service.get("public") is False and not says:
            yield Finding(("services", index), wording.could_be_worker(service["name"]))


def notices(file: EphYamlData) -> Iterator[Finding]:
    environment = file["environment"]
    if environment["resources"]:
        yield Finding(("environment", "resources"), wording.LIMITS_NOTHING)
    if file.get("sizes"):
        yield Finding(("sizes",), wording.LIMITS_NOTHING)
    if environment["images"]:
        yield Finding(("environment", "images"), wording.RUNS_NO_IMAGES)
    for index, service in enumerate(file["services"]):
        if "HOST" in service["env"]:
            yield Finding(("services", index, "env", "HOST"), wording.SETS_HOST)
        if service["image"] is not None and service["command"] is not None:
            yield Finding(("services", index, "image"), wording.PREFERS_COMMAND)
        if service["volumes"]:
            yield Finding(("services", index, "volumes"), wording.LIMITS_NO_VOLUME)
        if service["resources"]:
            yield Finding(("services", index, "resources"), wording.LIMITS_NO_SERVICE)
