"""The pytest plugin: readable assertions, the fixtures of the suite, and a summary of what was skipped and why.

Every run of pytest loads it where Eph is installed, so it imports nothing of Eph before a suite runs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orchestrator.conformance.machine import ConformanceMachine
    from programs.registry import Target
    from programs.settings import ServerContext

SUITE_MODULES = ("description_checks", "lifecycle_checks", "capability_checks", "recovery_checks", "shared")
pytest.register_assert_rewrite(*(f"orchestrator.conformance.{name}" for name in (*SUITE_MODULES, "machine")))


@pytest.fixture(scope="class")
def conformance_settings(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """The target's table of eph.toml. Override it for settings that are known at run time only, such as a port."""
    settings: Mapping[str, Any] = request.cls.settings
    return settings


@pytest.fixture(scope="class")
def conformance_machine(
    request: pytest.FixtureRequest, conformance_settings: Mapping[str, Any]
) -> Iterator[ConformanceMachine]:
    """The machine of a suite's class, with real operations. Its tests share it and its environments."""
    from orchestrator.conformance.machine import running_machine

    folder = Path(tempfile.mkdtemp(prefix="eph-conformance-"))  # short: sockets below it have paths of limited length
    try:
        with running_machine(folder, request.cls.options(conformance_settings)) as machine:
            yield machine
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def conformance_target(request: pytest.FixtureRequest) -> Target:
    """The target that the suite's class names."""
    from programs import registry

    return registry.get(request.cls.target)


@pytest.fixture
def conformance_server(tmp_path: Path) -> ServerContext:
    """A server whose settings were never written."""
    from programs.settings import MachineTools, ServerContext

    home, url = tmp_path / "home", "http://{host}:8080"
    return ServerContext("eph-c0ffee", home, tmp_path / "shared", tmp_path / "routes", url, MachineTools((), "/bin"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names each capability that a target lacks: nothing is left out silently."""
    found: dict[str, set[str]] = {}
    for report in terminalreporter.getreports("skipped"):
        for name, value in report.user_properties:
            if name == "eph_lacks":
                target, _, capability = value.partition(" ")
                found.setdefault(target, set()).add(capability)
    if not found:
        return
    from orchestrator.conformance import wording

    terminalreporter.section("eph conformance")
    for target, capabilities in sorted(found.items()):
        terminalreporter.line(wording.checks_skipped(target, ", ".join(sorted(capabilities))))
