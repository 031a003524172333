"""What a pull request's labels change in its environment: services turned off, and sizes (Y5)."""

from __future__ import annotations

from pydantic import Field, model_validator

from orchestrator.config import wording
from orchestrator.config.eph_yaml.models.environment_section import EnvironmentResources
from orchestrator.config.eph_yaml.models.services_section import ServiceResources
from programs.eph_yaml.field_types import Name, Section
from programs.settings import InvalidValue


class LabelConfig(Section):
    """What one label changes. It needn't be a trigger label."""

    disable: tuple[Name, ...] = Field(default=(), max_length=50, description="Services that don't run.")
    size: Name | None = Field(default=None, description="The name of one of sizes.")

    @model_validator(mode="after")
    def _check_effect(self) -> LabelConfig:
        if not self.disable and self.size is None:
            raise InvalidValue(wording.sections.LABEL_WITHOUT_EFFECT, wording.sections.ADD_DISABLE_OR_SIZE)
        return self


class SizeConfig(Section):
    """Resources that replace those of the file, for pull requests with a label."""

    resources: EnvironmentResources | None = Field(
        default=None, description="The most resources that the environment may use; replaces environment.resources."
    )
    services: dict[Name, ServiceResources] = Field(
        default={}, description="The most resources that a service may use, by its name; replaces its resources."
    )
