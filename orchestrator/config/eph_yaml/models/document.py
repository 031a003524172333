"""The whole file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from orchestrator.config.eph_yaml.models.database_section import DatabasesConfig
from orchestrator.config.eph_yaml.models.environment_section import EnvironmentConfig
from orchestrator.config.eph_yaml.models.services_section import (
    HooksConfig,
    KubernetesConfig,
    ServiceConfig,
    SuiteConfig,
)
from orchestrator.config.eph_yaml.models.triggers import Trigger
from programs.eph_yaml.field_types import CommandConfig, Name, Section
from programs.eph_yaml.numbers import YamlFloat, YamlInt
from programs.settings import InvalidValue, quote

_TEAM = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$"


def _version(value: object) -> object:
    written = value.text if isinstance(value, YamlInt | YamlFloat) else value
    if written != "1.0":
        raise InvalidValue(f"{quote(written)} is not a supported version", 'write version: "1.0"')
    return written


def _team(value: str) -> str:
    if not re.fullmatch(_TEAM, value):
        raise InvalidValue(
            f"{quote(value)} is not a valid team name",
            "use up to 60 letters, digits, spaces, dots, underscores and dashes",
        )
    return value


FileVersion = Annotated[Literal["1.0"], BeforeValidator(_version), WithJsonSchema({"enum": ["1.0", 1.0]})]
Team = Annotated[str, AfterValidator(_team), WithJsonSchema({"type": "string", "pattern": _TEAM})]


class EphYaml(Section):
    """How one repository gets its preview environments. Lies at the root of the repository as eph.yaml."""

    version: FileVersion = Field(description="The version of the file format.")
    name: Name = Field(description="The project's name; {project} in templates.")
    team: Team | None = Field(
        default=None, description="The team that owns the environments; the tag Team on every resource."
    )
    target: Name | None = Field(
        default=None,
        description="Where environments run, such as local or kubernetes. Default: kubernetes if the file "
        "has that section, otherwise the server's default.",
    )
    triggers: tuple[Trigger, ...] | None = Field(
        default=None, min_length=1, description="What creates an environment. Default: the server's trigger labels."
    )
    environment: EnvironmentConfig = Field(default=EnvironmentConfig(), description="The environment itself.")
    services: tuple[ServiceConfig, ...] = Field(default=(), description="The services that run in the environment.")
    build: CommandConfig | None = Field(
        default=None, description="A command that runs in the checkout before services start (local)."
    )
    kubernetes: KubernetesConfig | None = Field(default=None, description="The repository's own Kubernetes manifests.")
    database: DatabasesConfig = Field(default=DatabasesConfig(), description="PostgreSQL databases of the environment.")
    tests: tuple[SuiteConfig, ...] = Field(default=(), description="Tests to run against the ready environment.")
    hooks: HooksConfig = Field(
        default=HooksConfig(), description="Commands that run at points in the environment's life."
    )
