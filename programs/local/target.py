"""The door of the local target. Cheap to import: Pulumi comes in only with ``program``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.holdings import Holding
from programs.insides import Inside, Reading, Told
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
from programs.local.errors import LocalError
from programs.local.settings import Settings
from programs.spec import EnvironmentSpec, SuiteSpec

VERSION = "local-3"
STRATEGIES = ("empty", "seed", "template")


class Local:
    """Environments on this machine; see ``programs.registry.Target``."""

    version = VERSION

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        on = settings.from_mapping(spec.settings)
        _check(spec, on)

        def run() -> None:
            from programs.local.environment import Environment

            self.ensure(spec.settings)
            Environment(spec, on, VERSION).build()

        return run

    def ensure(self, settings_: Mapping[str, str]) -> None:
        on = settings.from_mapping(settings_)
        files.folder(on.root)
        settings.save(on)
        sandbox.kind(on)
        supervision.ensure(on)
        postgres.ensure(on)

    def purge(self, name: str, settings_: Mapping[str, str]) -> None:
        on = settings.from_mapping(settings_)
        if on.root.exists():
            traces.purge(on, name)

    def names(self, settings_: Mapping[str, str]) -> frozenset[str]:
        return traces.names(settings.from_mapping(settings_))

    def logs(self, name: str, settings_: Mapping[str, str], asked: Reading) -> Told:
        return inside.printed(settings.from_mapping(settings_), name, asked)

    def inside(self, name: str, settings_: Mapping[str, str]) -> Inside:
        return Inside(tuple(inside.processes(settings.from_mapping(settings_), name)))

    def leftovers(self, settings_: Mapping[str, str], *, stopped: bool = False) -> list[str]:
        """Whatever exists of environments here, a line each; ``stopped``: of the server's own too."""
        return traces.leftovers(settings.from_mapping(settings_), stopped=stopped)

    def suite(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        return suites.prepare(settings.from_mapping(spec.settings), spec, suite, env)

    def report(self, spec: EnvironmentSpec, suite: SuiteSpec, most: int) -> bytes | None:
        return suites.report(settings.from_mapping(spec.settings), spec, suite, most)

    def standing(self, settings_: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        return standing.every(settings.from_mapping(settings_))

    def holdings(self, settings_: Mapping[str, str]) -> list[Holding]:
        return holdings.every(settings.from_mapping(settings_))

    def discard(self, holding: Holding, settings_: Mapping[str, str]) -> bool:
        return holdings.discard(settings.from_mapping(settings_), holding)

    def sleep(self, name: str, settings_: Mapping[str, str]) -> None:
        sleeping.sleep(settings.from_mapping(settings_), name)

    def wake(self, name: str, settings_: Mapping[str, str], patient: bool = True) -> None:
        sleeping.wake(settings.from_mapping(settings_), name, patient)

    def stop(self, settings_: Mapping[str, str]) -> None:
        """Ends everything that runs here; ``ensure`` brings it back from what is on disk."""
        on = settings.from_mapping(settings_)
        postgres.shutdown(on)
        supervision.stop(on)


def _check(spec: EnvironmentSpec, on: Settings) -> None:
    identifiers.commit(spec.source.commit)
    if not spec.services:
        raise LocalError("the environment has no service; name at least one under 'services'")
    for kind, names in _named(spec).items():
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise LocalError(f"{kind} {sorted(twice)[0]!r} is named twice; each needs a name of its own")
        for name in names:
            (identifiers.word if kind == "variable" else identifiers.label)(name, kind)
    for name in [*spec.env, *(name for item in spec.services for name in item.env)]:
        identifiers.word(name, "variable")
    for item in spec.databases:
        if item.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise LocalError(
                f"database {item.name!r}: the local target has no strategy {item.strategy!r}, only {known}"
            )
        if item.strategy == "template" and item.source not in on.prepared:
            known = ", ".join(sorted(on.prepared)) or "there is none"
            raise LocalError(f"database {item.name!r}: no prepared database is called {item.source!r}; known: {known}")


def _named(spec: EnvironmentSpec) -> dict[str, list[str]]:
    return {
        "service": [item.name for item in spec.services],
        "database": [item.name for item in spec.databases],
        "variable": [item.variable for item in spec.databases],
    }


TARGET = Local()
