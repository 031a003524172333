"""Targets by name: a folder of ``programs.targets`` each, and those that other packages register as ``eph.targets``.

A folder holds a module ``target`` with its ``TARGET``. Nothing outside the folder names it; what Eph needs to know of
a target, its ``TargetDescription`` says.
"""

from __future__ import annotations

import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module, metadata
from typing import Any, Protocol, runtime_checkable

from programs import targets
from programs.eph_yaml.target_section import EphYamlData, Finding, TargetSection
from programs.inventory import HeldResource
from programs.runtime_info import LogLines, LogRequest, RuntimeInfo
from programs.settings import quote
from programs.spec import EnvironmentSpec, SuiteSpec
from programs.target_settings import TargetSettings

ENTRY_POINT_GROUP = "eph.targets"
_NAME = re.compile(r"[a-z][a-z0-9]{0,29}")
"""It is a table of eph.toml, a part of variables, and a section of eph.yaml."""
ENVIRONMENT_INPUT = "environment"
"""The input that at least one resource of every stack carries: the environment's name. It makes a stack able to say
whose it is when everything else about it is lost."""
TARGET_INPUT = "target"
"""The input by which a stack that never became whole says what it is made of; without it, that is the default target.
"""
PINNED_INPUT = "pinned"
"""The input in which a program that runs images says, before it makes anything, which ones: ``commit``, ``images`` and
``found``. What a build began with is then known even when it never ended."""


def _no_findings(_: EphYamlData) -> Iterable[Finding]:
    return ()


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class TargetDescription:
    """What Eph knows of a target before it runs anything there. Nothing else in Eph refers to a target by name.

    ``settings_model`` is the table of eph.toml under the target's name, ``section_model`` the section of eph.yaml.
    ``problems`` keep a file from being built on this target; ``notices`` say what it does without.
    ``runs_images``: images are found and pinned before ``program`` is called. ``trusted_authors_only``: it runs only
    what people with write access pushed. ``plugins`` are those of Pulumi that it needs. ``preload`` are modules that
    are worth importing before there is an operation; ``warm_up`` is called then too, and caches what operations need.
    """

    title: str
    settings_model: type[TargetSettings] = TargetSettings
    section_model: type[TargetSection] | None = None
    problems: Callable[[EphYamlData], Iterable[Finding]] = _no_findings
    notices: Callable[[EphYamlData], Iterable[Finding]] = _no_findings
    database_strategies: tuple[str, ...] = ()
    runs_images: bool = False
    trusted_authors_only: bool = True
    plugins: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    warm_up: Callable[[], object] = _nothing


class UnknownTarget(LookupError):
    """No target of that name is installed; the message lists those that are."""


class InvalidTarget(ValueError):
    """An installed target cannot be used as it is; the message says why."""


class Target(Protocol):
    """What a target offers. ``version`` changes when the program would build the same spec otherwise."""

    @property
    def version(self) -> str: ...

    @property
    def description(self) -> TargetDescription: ...

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        """The inline program; it exports the fields of ``spec.Outputs`` one by one. Its first resource carries the
        environment's name in its input ``ENVIRONMENT``."""

    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        """Removes every trace of the environment ``name``, found by name, not by state; idempotent."""

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        """The environments of which anything exists here, by looking at the target itself."""

    def ensure(self, settings: Mapping[str, str]) -> None:
        """Brings up what all environments share (a database server, a supervisor); idempotent, seconds at most."""

    def list_remaining(self, settings: Mapping[str, str]) -> list[str]:
        """Whatever exists of environments here, a line each, by looking; empty when there is none."""

    def stop(self, settings: Mapping[str, str]) -> None:
        """Ends what all environments share and all that runs; ``ensure`` brings it back."""

    def logs(self, name: str, settings: Mapping[str, str], request: LogRequest) -> LogLines:
        """What its services printed, secrets taken out. Raises ``NoSuchLog`` for what it does not have."""


@runtime_checkable
class RunsTests(Protocol):
    """What a target may offer besides: the repository's own tests, run where its build ran."""

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        """The command line that becomes the suite in the environment's sandbox and checkout. Raises when there is no
        such checkout, in words for people."""

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        """The suite's JUnit XML, at most ``max_bytes`` bytes and one more; None if there is no such file."""


@runtime_checkable
class Inspectable(Protocol):
    """What a target may offer besides: what an environment consists of just now."""

    def inspect(self, name: str, settings: Mapping[str, str]) -> RuntimeInfo:
        """Its processes, and what happened to it last, the newest last. Raises when it cannot look."""


@runtime_checkable
class PreparesUpdate(Protocol):
    """What a target may offer besides: it makes room for what Pulumi is about to make."""

    def prepare_update(self, spec: EnvironmentSpec) -> bool:
        """After ``program``, before an ``up``; idempotent. True: something is gone that the state may still name, so
        what really exists has to be looked at first."""


@runtime_checkable
class RefreshesAccess(Protocol):
    """What a target may offer besides: it lets Pulumi look at what the state of an environment names, whether or not it
    is still there."""

    def refresh_access(self, name: str, settings: Mapping[str, str]) -> None:
        """Before a refresh of an environment that shall go; idempotent."""


@runtime_checkable
class DetectsDrift(Protocol):
    """What a target may offer besides: which parts of all environments are there and alive, looked at each cycle."""

    def live_resources(self, settings: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        """By the kinds that can be looked at, the ids that Pulumi's state has for them. Raises when it cannot look.
        Under ``inventory.DRIFTED`` whole parts (``Kind:id``) that are there, and not as they were made. Under
        ``inventory.PROCESS_KINDS`` the kinds that are processes: a missing one has stopped."""


@runtime_checkable
class Sleeps(Protocol):
    """What a target may offer besides: to stop what runs of an environment, and to start it again, without Pulumi.

    Both are idempotent, and may be called where an earlier call broke off at any point."""

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        """First the gateway is told, then what runs is stopped. All that it holds stays."""

    def wake(self, name: str, settings: Mapping[str, str], wait: bool = True) -> None:
        """Starts it again; returns when it answers, and then the gateway is told. Raises with the reason when it does
        not. Not ``wait``: as soon as it was started."""


@runtime_checkable
class ListsResources(Protocol):
    """What a target may offer besides: each thing it holds, and the removal of a single one."""

    def list_resources(self, settings: Mapping[str, str]) -> list[HeldResource]:
        """Everything here that carries an environment's mark, by looking; nothing of anybody else's."""

    def delete_resource(self, resource: HeldResource, settings: Mapping[str, str]) -> bool:
        """Removes that one thing; idempotent. False: it cannot be removed alone, only with its whole environment."""


@runtime_checkable
class TracksExpiry(Protocol):
    """What a target may offer besides: until when an environment lives, kept true on what it holds (C2)."""

    def set_expiry(self, name: str, settings: Mapping[str, str], expires_at: datetime | None) -> None:
        """None: for ever. What is not there is not dated."""


def list_resources(target: Target, settings: Mapping[str, str]) -> list[HeldResource]:
    """A target that cannot tell its things apart holds at least environments."""
    if isinstance(target, ListsResources):
        return target.list_resources(settings)
    return [HeldResource("environment", name, name) for name in sorted(target.list_environments(settings))]


def installed_targets() -> list[str]:
    return sorted(_folders() | _entry_points(tuple(sys.path)).keys())


def find(name: str) -> Target | None:
    return get(name) if name in installed_targets() else None


def get(name: str) -> Target:
    if name in _folders():
        target: Any = import_module(f"{targets.__name__}.{name}.target").TARGET
        return target  # type: ignore[no-any-return]  # one of ours
    point = _entry_points(tuple(sys.path)).get(name)
    if point is not None:
        return point.load()  # type: ignore[no-any-return]  # others bring what they like
    raise UnknownTarget(f"Unknown target {quote(name)}. Installed targets: {', '.join(installed_targets())}.")


def descriptions() -> dict[str, TargetDescription]:
    """By name, of all installed targets."""
    return {name: get(name).description for name in installed_targets()}


@cache
def _folders() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(targets.__path__) if module.ispkg)


@cache
def _entry_points(path: tuple[str, ...]) -> dict[str, metadata.EntryPoint]:  # noqa: ARG001 - what they depend on
    """Those of other packages, read once: eph.yaml files ask for their target by the thousand."""
    found = {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    wrong = sorted(name for name in found if not _NAME.fullmatch(name))
    if wrong:
        raise InvalidTarget(f"Target {quote(wrong[0])} has an invalid name. Use lowercase letters and digits.")
    return found
