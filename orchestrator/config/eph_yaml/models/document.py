"""The whole file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, create_model, model_validator

from orchestrator.config import wording
from orchestrator.config.eph_yaml.models.app_section import AppConfig
from orchestrator.config.eph_yaml.models.database_section import DatabasesConfig
from orchestrator.config.eph_yaml.models.environment_section import EnvironmentConfig
from orchestrator.config.eph_yaml.models.images_section import ImageConfig
from orchestrator.config.eph_yaml.models.labels_section import LabelConfig, SizeConfig
from orchestrator.config.eph_yaml.models.links_section import LinkConfig
from orchestrator.config.eph_yaml.models.services_section import (
    HooksConfig,
    ServiceConfig,
    SuiteConfig,
)
from orchestrator.config.eph_yaml.models.triggers import Label, Trigger
from programs import registry
from programs.eph_yaml.field_types import CommandConfig, Name, Section
from programs.eph_yaml.numbers import YamlFloat, YamlInt
from programs.eph_yaml.target_section import TargetSection
from programs.quoting import quote
from programs.settings import InvalidValue

_TEAM = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$"


def _version(value: object) -> object:
    written = value.text if isinstance(value, YamlInt | YamlFloat) else value
    if written != "1.0":
        raise InvalidValue(wording.sections.unsupported_version(quote(written)), 'write version: "1.0"')
    return written


def _team(value: str) -> str:
    if not re.fullmatch(_TEAM, value):
        raise InvalidValue(
            wording.sections.invalid_team(quote(value)),
            wording.sections.TEAM_CHARACTERS,
        )
    return value


FileVersion = Annotated[Literal["1.0"], BeforeValidator(_version), WithJsonSchema({"enum": ["1.0", 1.0]})]
Team = Annotated[str, AfterValidator(_team), WithJsonSchema({"type": "string", "pattern": _TEAM})]


class EphYamlFile(Section):
    """How a repository gets its preview environments. Stored as eph.yaml at the root of the repository."""

    version: FileVersion = Field(description="The version of the file format.")
    name: Name = Field(description="The project's name; {project} in templates.")
    team: Team | None = Field(
        default=None, description="The team that owns the environments; the tag Team on every resource."
    )
    target: Name | None = Field(
        default=None,
        description="The name of the target that environments are created on. Without it: the one whose section the "
        "file has, else the server's default.",
    )
    app: AppConfig | None = Field(default=None, description="The app's own host name, for label deploys.")
    triggers: tuple[Trigger, ...] | None = Field(
        default=None, min_length=1, description="What creates an environment. Default: the server's trigger labels."
    )
    environment: EnvironmentConfig = Field(default=EnvironmentConfig(), description="The environment itself.")
    images: tuple[ImageConfig, ...] = Field(
        default=(), description="Another place for environment.images; a file uses one of the two."
    )
    services: tuple[ServiceConfig, ...] = Field(default=(), description="The services that run in the environment.")
    build: CommandConfig | None = Field(default=None, description="Run in the checkout before services start.")
    database: DatabasesConfig = Field(default=DatabasesConfig(), description="Databases of the environment.")
    mail: bool = Field(
        default=False,
        description="A mail catcher: an SMTP server that delivers nothing, and a page at mail--HOST with what it got.",
    )
    tests: tuple[SuiteConfig, ...] = Field(default=(), description="Tests to run against the ready environment.")
    hooks: HooksConfig = Field(
        default=HooksConfig(), description="Commands that run at points in the environment's life."
    )
    links: tuple[LinkConfig, ...] = Field(
        default=(), max_length=20, description="Links that are shown with the environment."
    )
    labels: dict[Label, LabelConfig] = Field(
        default={},
        max_length=20,
        description="What a label on the pull request changes: services that don't run, and the size.",
    )
    sizes: dict[Name, SizeConfig] = Field(
        default={}, max_length=10, description="Sizes that labels can select, by name."
    )

    @model_validator(mode="before")
    @classmethod
    def _images_of_environment(cls, value: Any) -> Any:
        """The rest of the code finds images in one place. Errors name the place in the file: see ``as_written``."""
        if not isinstance(value, dict) or "images" not in value:
            return value
        environment = value.get("environment", {})
        if not isinstance(environment, dict):
            return value
        if "images" in environment:
            raise InvalidValue(wording.sections.IMAGES_TWICE, wording.sections.USE_ONE_IMAGES, ("images",))
        rest = {key: item for key, item in value.items() if key != "images"}
        return {**rest, "environment": {**environment, "images": value["images"]}}

    def section(self, target: str) -> TargetSection | None:
        """The section of that target, if the file has one."""
        found = getattr(self, target, None)
        return found if isinstance(found, TargetSection) else None

    @property
    def sections(self) -> tuple[str, ...]:
        """The targets for which the file has a section."""
        return tuple(name for name in type(self).model_fields if self.section(name) is not None)


def _target_sections() -> dict[str, Any]:
    """The optional section that each installed target declares."""
    declared = {name: found.section_model for name, found in registry.descriptions().items() if found.section_model}
    return {
        name: (model | None, Field(default=None, description=(model.__doc__ or "").partition("\n")[0]))
        for name, model in declared.items()
    }


if TYPE_CHECKING:
    EphYaml = EphYamlFile
else:
    EphYaml = create_model(
        "EphYaml", __base__=EphYamlFile, __doc__=EphYamlFile.__doc__, __module__=__name__, **_target_sections()
    )
