"""What an eph.yaml needs for the target `local`, and which of its fields have no effect there."""

from __future__ import annotations

from collections.abc import Iterator

from programs.eph_yaml.target_section import EphYamlData, Finding


def problems(file: EphYamlData) -> Iterator[Finding]:
    if not file["services"]:
        message = "the target `local` needs at least one service"
        yield Finding((), message, "add services, each with name and command")
    for index, service in enumerate(file["services"]):
        if service["command"] is None:
            message = f"the target `local` does not support images, and service `{service['name']}` has no command"
            yield Finding(("services", index), message, "add a command")
        if service["schedule"]:
            message = "the target `local` does not support scheduled services"
            yield Finding(("services", index, "schedule"), message, "remove the service")


def notices(file: EphYamlData) -> Iterator[Finding]:
    environment = file["environment"]
    if environment["resources"]:
        yield Finding(("environment", "resources"), "the target `local` does not limit CPU, memory or disk")
    if file.get("sizes"):
        yield Finding(("sizes",), "the target `local` does not limit CPU, memory or disk")
    if environment["images"]:
        yield Finding(("environment", "images"), "the target `local` does not support images")
    for index, service in enumerate(file["services"]):
        if "HOST" in service["env"]:
            message = "Eph itself sets HOST, the address to listen on; this value isn't used"
            yield Finding(("services", index, "env", "HOST"), message)
        if service["image"] is not None and service["command"] is not None:
            yield Finding(("services", index, "image"), "the target `local` runs the command, not the image")
        if service["volumes"]:
            message = "the target `local` doesn't limit the size of volumes"
            yield Finding(("services", index, "volumes"), message)
        if service["resources"]:
            yield Finding(("services", index, "resources"), "the target `local` does not limit CPU or memory")
