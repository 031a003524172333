"""A target in memory where nothing runs. Tests derive from it and override what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.registry import TargetDescription
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec


class FakeTarget:
    version = "1"
    description = TargetDescription("A target in memory.")

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        return lambda: None

    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        """Nothing to remove."""

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        return frozenset()

    def ensure(self, settings: Mapping[str, str]) -> None:
        """Nothing to start."""

    def list_remaining(self, settings: Mapping[str, str]) -> list[str]:
        return []

    def stop(self, settings: Mapping[str, str]) -> None:
        """Nothing to stop."""

    def logs(self, name: str, settings: Mapping[str, str], request: LogRequest) -> LogLines:
        return LogLines((), {})
