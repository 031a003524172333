"""What all checks of environments know of their suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from orchestrator.conformance import wording
from orchestrator.conformance.commits import Commit
from orchestrator.conformance.machine import MachineOptions
from programs.registry import Target


class SuiteDeclarations:
    """Set by the author's class, see ``suite.TargetConformance``."""

    target: ClassVar[str]
    first: ClassVar[Commit]
    second: ClassVar[Commit]
    broken: ClassVar[Commit]
    settings: ClassVar[Mapping[str, Any]]
    images: ClassVar[Mapping[str, str]]
    operation_seconds: ClassVar[float]
    reading_seconds: ClassVar[float]

    @classmethod
    def options(cls, settings: Mapping[str, Any]) -> MachineOptions:
        return MachineOptions(cls.target, settings, cls.images, cls.operation_seconds, cls.reading_seconds)

    @classmethod
    def writable_folder(cls, settings: Mapping[str, str], name: str) -> Path | None:  # noqa: ARG003 - for those that have one
        """A folder on this machine where the code of that environment may write."""
        return None

    @classmethod
    def make_hostile(cls, settings: Mapping[str, str], name: str) -> bool:  # noqa: ARG003 - for those that can do more
        """Does what else the code of that environment could do to delay others or its own removal. False: nothing."""
        return False


def require(request: pytest.FixtureRequest, target: Target, capability: type[Any]) -> Any:
    """The target as what implements the capability. Skips the test, by name, if it doesn't."""
    if not isinstance(target, capability):
        name = getattr(request.cls, "target", target.version)
        request.node.user_properties.append(("eph_lacks", f"{name} {capability.__name__}"))
        pytest.skip(wording.not_implemented(name, capability.__name__))
    return target
