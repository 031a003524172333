"""The table ``[static]`` of eph.toml, the section ``static`` of eph.yaml, and the checks of the whole file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from programs.eph_yaml.field_types import RepositoryPath
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.settings import ServerContext, StringList, TargetSettings
from programs.targets.static import wording

MEGABYTE = 1024**2


class StaticTargetSettings(TargetSettings):
    """The target `static`: sites without a process."""

    site_bytes: int = Field(
        default=512 * MEGABYTE, ge=1024, description="The maximum total size of a site's files, in bytes."
    )
    checkout_bytes: int = Field(
        default=512 * MEGABYTE, ge=1024, description="The maximum total size of a commit's files, in bytes."
    )
    memory_bytes: int = Field(default=4096 * MEGABYTE, ge=MEGABYTE, description="The maximum memory of a build.")
    egress: Literal["proxy", "none"] = Field(
        default="proxy",
        description="Outbound internet of builds. proxy: public addresses through an HTTP proxy. none: no connections.",
    )
    egress_allow: StringList = Field(
        default=(), description="Private networks that the proxy connects to anyway, such as 10.1.0.0/16."
    )
    first_uid: int = Field(
        default=2_160_000, ge=1000, description="If Eph runs as root: the first of the users of environments."
    )

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        return {**super().to_mapping(server), **server.tools.to_mapping()}


class StaticSection(TargetSection):
    """Static files, for the target `static`."""

    root: RepositoryPath = Field(description="The folder to publish. The build may create it.")
    fallback: RepositoryPath | None = Field(
        default=None,
        description="The file in `root` to serve for paths without a file, such as index.html of a single-page app.",
    )


def problems(file: EphYamlData) -> Iterator[Finding]:
    if not file["static"]:
        yield Finding((), wording.NEEDS_FOLDER, wording.ADD_ROOT)
    if file["services"]:
        yield Finding(("services",), wording.RUNS_NO_SERVICES, wording.REMOVE_THEM)
    if file["database"]["instances"]:
        yield Finding(("database", "instances"), wording.HAS_NO_DATABASES, wording.REMOVE_THEM)


def notices(file: EphYamlData) -> Iterator[Finding]:
    if any(file["hooks"].values()):
        yield Finding(("hooks",), wording.RUNS_NO_HOOKS)
