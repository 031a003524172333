"""The app that a repository contains: its own host name, and which branch is the active version."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from orchestrator.config import wording
from orchestrator.config.eph_yaml.models.environment_section import Domain
from programs.eph_yaml.field_types import Section, matches

_BRANCH = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
Branch = Annotated[
    str,
    matches(_BRANCH, "a branch", wording.sections.BRANCH_EXAMPLE),
    WithJsonSchema({"type": "string", "pattern": _BRANCH}),
]


class AppConfig(Section):
    """The app's route. The environment of its branch is the active version; label deploys are below the route."""

    route: Domain = Field(
        description="The app's host name. A deploy with the label feat-x gets feat-x. in front of it. The server "
        "must allow it for this repository ([deploys.routes])."
    )
    branch: Branch | None = Field(
        default=None, description="The branch of the active version. Default: the repository's default branch."
    )
