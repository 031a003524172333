"""What a target contributes to eph.yaml: a section under its own name, and checks of the whole file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from programs.eph_yaml.field_types import Section
from programs.spec import SuiteSpec

YamlPath = tuple[str | int, ...]
EphYamlData = Mapping[str, Any]
"""A valid eph.yaml as plain data, with every default filled in."""


class Finding(NamedTuple):
    """A message for the author about the value at ``path``; ``expected`` says what to write instead."""

    path: YamlPath
    message: str
    expected: str = ""


class DetectedSection(NamedTuple):
    """A target's section for a repository without an eph.yaml. ``reason`` names the file that suggests it."""

    reason: str
    section: Mapping[str, Any]


class TargetSection(Section):
    """A target's section. A file that contains one and names no target uses that target."""

    uses_all_images: ClassVar[bool] = False
    """Whether it can use any of environment.images, not only those that services name."""

    def suites(self) -> tuple[SuiteSpec, ...]:
        """Tests of each commit that the section asks for, in addition to those in `tests`. The target runs them."""
        return ()

    def public_services(self) -> tuple[str, ...]:
        """The public services that it names, in addition to those in `services`. Placeholders can refer to them."""
        return ()

    def spec_fields(self, render: Callable[[str], str]) -> dict[str, Any]:  # noqa: ARG002 - for those with templates
        """The fields of ``EnvironmentSpec`` that the section sets. ``render`` fills in placeholders."""
        return {"options": self.model_dump(mode="json")}
