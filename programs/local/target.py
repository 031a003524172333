"""The door of the local target. Cheap to import: Pulumi comes in only with ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.holdings import HeldResource
from programs.insides import LogLines, LogRequest, RuntimeInfo
from programs.local import (
    files,
    holdings,
    identifiers,
    inside,
    postgres,
    sandbox,
    settings,
    sleeping,
    standing,
    suites,
    supervision,
    traces,
)
from programs.local.errors import TargetError
from programs.local.settings import HostSettings
from programs.spec import EnvironmentSpec, SuiteSpec

VERSION = "local-3"
STRATEGIES = ("empty", "seed", "template")


class LocalTarget:
    """Environments on this machine; see ``programs.registry.Target``."""

    version = VERSION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        on = settings.from_mapping(spec.settings)
        _check(spec, on)

        def run() -> None:
            from programs.local.environment import LocalProgram

            self.ensure(spec.settings)
            LocalProgram(spec, on, VERSION).build()

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        on = settings.from_mapping(settings_)
        files.make_folder(on.root)
        settings.save(on)
        sandbox.kind(on)
        supervision.ensure(on)
        postgres.ensure(on)

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        on = settings.from_mapping(settings_)
        if on.root.exists():
            traces.purge(on, name)

    def list_environments(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return traces.list_environments(settings.from_mapping(settings_))

    def logs(self, name: str, settings_: Mapping[str, str], request: LogRequest) -> LogLines:
        return inside.read_logs(settings.from_mapping(settings_), name, request)

    def inspect(self, name: str, settings_: Mapping[str, str]) -> RuntimeInfo:
        return RuntimeInfo(tuple(inside.list_processes(settings.from_mapping(settings_), name)))

    def list_remaining(self, settings_: Mapping[str, str], *, including_server: bool = False) -> list[str]:
        """Whatever exists of environments here, a line each; ``including_server``: of the server's own too."""
        return traces.list_remaining(settings.from_mapping(settings_), including_server=including_server)

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        return suites.command_line(settings.from_mapping(spec.settings), spec, suite, env)

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        return suites.read_report(settings.from_mapping(spec.settings), spec, suite, max_bytes)

    def live_resources(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return standing.live_resources(settings.from_mapping(settings_))

    def list_resources(self, settings_: Mapping[str, str]) -> list[HeldResource]:
        return holdings.list_resources(settings.from_mapping(settings_))

    def delete_resource(self, resource: HeldResource, settings_: Mapping[str, str]) -> bool:
        return holdings.delete_resource(settings.from_mapping(settings_), resource)

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        sleeping.sleep(settings.from_mapping(settings_), name)

    def wake(self, name: str, settings_: Mapping[str, str], wait: bool = True) -> None:
        sleeping.wake(settings.from_mapping(settings_), name, wait)

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Ends everything that runs here; ``ensure`` brings it back from what is on disk."""
        on = settings.from_mapping(settings_)
        postgres.shutdown(on)
        supervision.stop(on)


def _check(spec: EnvironmentSpec, settings: HostSettings) -> None:
    identifiers.check_commit(spec.source.commit)
    if not spec.services:
        raise TargetError("the environment has no service; name at least one under 'services'")
    for kind, names in _names_by_kind(spec).items():
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise TargetError(f"{kind} {sorted(twice)[0]!r} is named twice; each needs a name of its own")
        for name in names:
            (identifiers.check_variable if kind == "variable" else identifiers.check_label)(name, kind)
    for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
        identifiers.check_variable(name, "variable")
    for item in spec.databases:
        if item.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise TargetError(
                f"database {item.name!r}: the local target has no strategy {item.strategy!r}, only {known}"
            )
        if item.strategy == "template" and item.source not in settings.template_databases:
            known = ", ".join(sorted(settings.template_databases)) or "there is none"
            raise TargetError(f"database {item.name!r}: no prepared database is called {item.source!r}; known: {known}")


def _names_by_kind(spec: EnvironmentSpec) -> dict[str, list[str]]:
    return {
        "service": [item.name for item in spec.services],
        "database": [item.name for item in spec.databases],
        "variable": [item.variable for item in spec.databases],
    }


TARGET = LocalTarget()
