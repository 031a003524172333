"""Targets by name: our own, and those that other packages register under the entry point group ``eph.targets``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module, metadata
from typing import Any, Protocol, runtime_checkable

from programs.inventory import HeldResource
from programs.runtime_info import LogLines, LogRequest, RuntimeInfo
from programs.spec import EnvironmentSpec, SuiteSpec

ENTRY_POINT_GROUP = "eph.targets"
ENVIRONMENT_INPUT = "environment"
"""The input that at least one resource of every stack carries: the environment's name. It makes a stack able to say
whose it is when everything else about it is lost."""
TARGET_INPUT = "target"
"""The input by which a stack that never became whole says what it is made of; without it, that is ``local``."""
PINNED_INPUT = "pinned"
"""The input in which a program that runs images says, before it makes anything, which ones: ``commit``, ``images`` and
``found``. What a build began with is then known even when it never ended."""
BUILTIN: Mapping[str, str] = {
    "kubernetes": "programs.targets.kubernetes.target:TARGET",
    "local": "programs.targets.local.target:TARGET",
}


class UnknownTarget(LookupError):
    """No target of that name is installed; the message lists those that are."""


class Target(Protocol):
    """What a target offers. ``version`` changes when the program would build the same spec otherwise."""

    @property
    def version(self) -> str: ...

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
        """What the suite wrote as its JUnit XML, at most ``max_bytes`` bytes and one more; None: there is no such file."""


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
        Under ``holdings.CHANGED`` whole parts (``Kind:id``) that are there, and not as they were made."""


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
    found = {point.name for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    return sorted(found | set(BUILTIN))


def get(name: str) -> Target:
    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].partition(":")
        target: Any = getattr(import_module(module), attribute)
        return target  # type: ignore[no-any-return]  # one of ours
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            return point.load()  # type: ignore[no-any-return]  # others bring what they like
    raise UnknownTarget(f"no target {name!r} is installed; there are: {', '.join(installed_targets())}")
