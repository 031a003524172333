"""The table ``[folders]`` of eph.toml, and the section ``folders`` of eph.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import Field

from programs.eph_yaml.field_types import Template
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.settings import TargetSettings


class FoldersSettings(TargetSettings):
    """The target `folders`."""

    greeting: str = Field(default="Hello", description="The first word of every page.")
    max_length: int = Field(default=200, ge=1, le=10_000, description="The most characters of a page.")


class FoldersSection(TargetSection):
    """A web page, for the target `folders`."""

    page: Template = Field(description="The text of the page; a template.")

    def spec_fields(self, render: Callable[[str], str]) -> dict[str, Any]:
        return {"options": {"page": render(self.page)}}


def problems(file: EphYamlData) -> Iterator[Finding]:
    if not file["folders"]:
        yield Finding((), "the target `folders` needs a page", "add folders.page")
    if file["services"]:
        yield Finding(("services",), "the target `folders` runs no services", "remove them")


def notices(file: EphYamlData) -> Iterator[Finding]:
    if file["build"]:
        yield Finding(("build",), "the target `folders` builds nothing")
