"""The table ``[program]`` of eph.toml, the section ``program`` of eph.yaml, and the checks of the whole file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from programs.eph_yaml.durations import Duration
from programs.eph_yaml.field_types import CommittedPath, EnvValue, Name, RepositoryPath, Text
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.quoting import quote
from programs.settings import InvalidValue, ServerContext, StringList, TargetSettings
from programs.targets.program import wording

MEGABYTE = 1024**2
STATEFUL_TYPES = (
    "aws:dynamodb/*",
    "aws:ebs/volume:*",
    "aws:efs/*",
    "aws:rds/*",
    "aws:s3/bucket*",
    "azure-native:documentdb:*",
    "azure-native:sql:*",
    "azure-native:storage:StorageAccount",
    "gcp:sql/*",
    "gcp:storage/bucket:*",
    "kubernetes:core/v1:PersistentVolumeClaim",
)
_CONFIG_KEY = re.compile(r"(?:[A-Za-z][A-Za-z0-9_-]{0,99}:)?[A-Za-z_][A-Za-z0-9_.-]{0,99}")


def _config_key(value: str) -> str:
    if not _CONFIG_KEY.fullmatch(value):
        raise InvalidValue(wording.not_a_config_key(quote(value)), wording.USE_CONFIG_KEY)
    if value.startswith("eph:"):
        raise InvalidValue(wording.set_by_eph(quote(value)), wording.USE_OTHER_NAMESPACE)
    return value


ConfigKey = Annotated[str, AfterValidator(_config_key)]


class ProgramTargetSettings(TargetSettings):
    """The target `program`: the repository's own Pulumi project."""

    approve_first: bool = Field(
        default=False, description="Whether a person must approve the plan before an environment is first created."
    )
    approve_replacements: bool = Field(
        default=False,
        description="Whether a person must approve a plan that replaces or deletes resources of `stateful_types`.",
    )
    stateful_types: StringList = Field(
        default=STATEFUL_TYPES, description="Types of resources that contain data, as globs."
    )
    policy_packs: StringList = Field(
        default=(),
        description="Folders of Pulumi policy packs on this machine. Each plan must comply with all of them.",
    )
    delete_protected: bool = Field(
        default=False, description="Whether a destroy also deletes resources with Pulumi's `protect` option."
    )
    checkout_bytes: int = Field(
        default=512 * MEGABYTE, ge=1024, description="The maximum total size of a commit's files, in bytes."
    )
    memory_bytes: int = Field(
        default=4096 * MEGABYTE, ge=MEGABYTE, description="The maximum memory of a build and of a project's run."
    )
    egress: Literal["proxy", "none"] = Field(
        default="proxy",
        description="Outbound connections. proxy: to public addresses through an HTTP proxy. none: no connections.",
    )
    egress_allow: StringList = Field(
        default=(), description="Private networks that the proxy connects to anyway, such as 10.1.0.0/16."
    )
    first_uid: int = Field(
        default=2_220_000, ge=1000, description="If Eph runs as root: the first of the users of environments."
    )

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        return {**super().to_mapping(server), **server.tools.to_mapping()}

    def machine_folder(self, server: ServerContext) -> Path | None:
        return server.private_folder


class ProgramSection(TargetSection):
    """A Pulumi project, for the target `program`."""

    folder: CommittedPath = Field(default=".", description="The folder that contains Pulumi.yaml.")
    config_file: RepositoryPath | None = Field(
        default=None, description="A stack file in `folder` whose configuration applies, such as Pulumi.preview.yaml."
    )
    config: dict[ConfigKey, EnvValue] = Field(
        default_factory=dict, description="Configuration of the stack. Replaces values of `config_file`."
    )
    outputs: dict[Name, Text] = Field(
        default_factory=dict,
        description="The stack's outputs that are URLs, by service. The first one is the environment's. "
        "Default: web: url.",
    )
    timeout: Duration = Field(default=timedelta(minutes=25), description="The timeout of a run of the project.")

    def spec_fields(self, render: Callable[[str], str]) -> dict[str, Any]:
        return {"options": {**super().spec_fields(render)["options"], "timeout": int(self.timeout.total_seconds())}}


def problems(file: EphYamlData) -> Iterator[Finding]:
    if file["program"] is None:
        yield Finding((), wording.NEEDS_PROJECT, wording.ADD_FOLDER)
    if file["services"]:
        yield Finding(("services",), wording.RUNS_NO_SERVICES, wording.REMOVE_SERVICES)
    if file["database"]["instances"]:
        yield Finding(("database", "instances"), wording.HAS_NO_DATABASES, wording.CREATE_IN_PROJECT)


def notices(file: EphYamlData) -> Iterator[Finding]:
    if any(file["hooks"].values()):
        yield Finding(("hooks",), wording.RUNS_NO_HOOKS)
