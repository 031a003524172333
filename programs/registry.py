"""Targets by name: the folders of ``programs.targets``, and those that other packages register as ``eph.targets``.

A folder contains a module ``target`` with its ``TARGET``. No code outside the folder names it; everything Eph needs to
know about a target is in its ``TargetDescription``. Our own folders have it in a module ``description`` as
``DESCRIPTION``, which imports no package of the extra ``server``: `eph validate` works without it.
"""

from __future__ import annotations

import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

from programs import targets, wording
from programs.build_caches import CacheArchive
from programs.costs import CostEstimate, PriceList, PublishedPrices
from programs.drift_wording import DriftWording
from programs.eph_yaml.target_section import DetectedSection, EphYamlData, Finding, TargetSection
from programs.exec_requests import ExecProcess, ExecRequest, JobRequest
from programs.installation import InstallationOptions, InstallationPlan
from programs.inventory import HeldResource
from programs.quoting import quote
from programs.runtime_info import LogLines, LogRequest, RuntimeInfo
from programs.screenshots import Screenshots
from programs.settings import TargetSettings
from programs.spec import POSTGRESQL, EnvironmentSpec, SuiteSpec

ENTRY_POINT_GROUP = "eph.targets"
_NAME = re.compile(r"[a-z][a-z0-9]{0,29}")
"""A target's name is a table of eph.toml, a part of variable names, and a section of eph.yaml."""
ENVIRONMENT_INPUT = "environment"
"""The input with the environment's name that at least one resource of every stack carries. It identifies a stack when
everything else about it is lost."""
TARGET_INPUT = "target"
"""The input that names the target of a stack that was never completed. Absent for the default target."""
PINNED_INPUT = "pinned"
"""The input in which a program records the images it is about to run, before it creates anything: ``commit``,
``images`` and ``found``. They are then known even if the build never finishes."""


Download = Callable[[str], Iterable[str]]
"""Returns the lines of the text at a URL. Raises an error for people."""


def _no_findings(_: EphYamlData) -> Iterable[Finding]:
    return ()


def _nothing_detected(_: Path) -> DetectedSection | None:
    return None


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class TargetDescription:
    """What Eph knows about a target before it runs anything there. Nothing else in Eph refers to a target by name.

    ``settings_model`` is the table of eph.toml under the target's name, ``section_model`` the section of eph.yaml.
    ``problems`` prevent a file from being built on this target; ``notices`` name fields that have no effect on it.
    ``hints`` are for `eph validate` only: what may be a mistake in a valid file, of which they receive only what is
    written.
    ``detect`` says which section the files of a repository suggest, for its first eph.yaml.
    ``runs_images``: images are resolved and pinned before ``program`` is called. ``trusted_authors_only``: it runs only
    commits by people with write access. ``plugins`` are the Pulumi plugins it needs, ``tools`` the programs
    it runs if they are installed. ``needs_approvals``: it may refuse an update until a person approved the commit
    (``EnvironmentSpec.approved``). ``drift_wording`` is how drift of its resources is reported. ``preload`` lists
    modules worth importing before the first operation; ``warm_up`` is called then too, and caches what operations need.
    ``missing_engines``: those of ``database_engines`` that aren't installed on the server's machine, each with the
    Debian package that contains it. ``catches_mail``: environments can have a mail catcher. ``runs_tests``: the target
    is one that ``RunsTests``; only a module ``description`` has to state it.
    """

    title: str
    settings_model: type[TargetSettings] = TargetSettings
    section_model: type[TargetSection] | None = None
    problems: Callable[[EphYamlData], Iterable[Finding]] = _no_findings
    notices: Callable[[EphYamlData], Iterable[Finding]] = _no_findings
    hints: Callable[[EphYamlData], Iterable[Finding]] = _no_findings
    detect: Callable[[Path], DetectedSection | None] = _nothing_detected
    database_strategies: tuple[str, ...] = ()
    database_engines: tuple[str, ...] = (POSTGRESQL,)
    missing_engines: Callable[[], Mapping[str, str]] = dict
    catches_mail: bool = False
    runs_tests: bool = False
    runs_images: bool = False
    trusted_authors_only: bool = True
    plugins: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    needs_approvals: bool = False
    drift_wording: DriftWording = field(default_factory=DriftWording)
    preload: tuple[str, ...] = ()
    warm_up: Callable[[], object] = _nothing


class UnknownTarget(LookupError):
    """No target of that name is installed; the message lists those that are."""


class InvalidTarget(ValueError):
    """An installed target can't be used; the message says why."""


class Target(Protocol):
    """What a target offers. ``version`` changes when the program would build the same spec differently."""

    @property
    def version(self) -> str: ...

    @property
    def description(self) -> TargetDescription: ...

    def program(self, spec: EnvironmentSpec) -> Callable[[], None]:
        """The inline program. It exports the fields of ``spec.Outputs`` one by one. Its first resource carries the
        environment's name in its input ``ENVIRONMENT_INPUT``, and the target's in ``TARGET_INPUT``."""

    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        """Removes every trace of the environment ``name``, found by name, not by state. Idempotent."""

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        """The environments of which anything exists, read from the target itself."""

    def ensure(self, settings: Mapping[str, str]) -> None:
        """Starts what all environments share (a database server, a supervisor). Idempotent; takes seconds at most."""

    def list_remaining(self, settings: Mapping[str, str]) -> list[str]:
        """Everything that exists of environments on the target, one line each, read from the target itself."""

    def stop(self, settings: Mapping[str, str]) -> None:
        """Stops everything that runs, including what environments share. ``ensure`` restarts it."""

    def logs(self, name: str, settings: Mapping[str, str], request: LogRequest) -> LogLines:
        """The output of its services, with secrets redacted. Raises ``NoSuchLog`` if the requested log doesn't
        exist."""


@runtime_checkable
class RunsTests(Protocol):
    """Optional capability: runs the repository's tests where its build ran."""

    def suite_command(self, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        """The command line that runs the suite in the environment's sandbox and checkout. Raises an error for people if
        there is no such checkout."""

    def suite_report(self, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        """The suite's JUnit XML, cut after ``max_bytes`` + 1 bytes. None if the file doesn't exist."""


@runtime_checkable
class KeepsScreenshots(Protocol):
    """Optional capability beside ``RunsTests``: reads the pictures that a suite left."""

    def suite_screenshots(self, spec: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
        """Those in the suite's folder ``artifacts`` that were written since then, in seconds since the epoch. A suite
        is untrusted: see ``programs.kit.suite_screenshots``."""


@runtime_checkable
class RunsCommands(Protocol):
    """Optional capability: runs a person's command where a service of an environment runs."""

    def exec_command(self, name: str, settings: Mapping[str, str], request: ExecRequest) -> ExecProcess:
        """The process on Eph's machine that runs it. The command has the service's variables, limits
        and view of the world; its standard streams and exit status are those of the process, and it ends with it.
        Raises ``ExecUnavailable``."""


@runtime_checkable
class RunsJobs(Protocol):
    """Optional capability: runs a job that an environment contains, such as a DAG, and waits for it."""

    def job_command(self, name: str, settings: Mapping[str, str], request: JobRequest) -> list[str]:
        """The command line of a process on Eph's machine that starts the job, prints its progress and result, and ends
        with it: with status 0 if it succeeded. Raises ``ExecUnavailable``."""


@runtime_checkable
class Inspectable(Protocol):
    """Optional capability: reports what an environment currently consists of."""

    def inspect(self, name: str, settings: Mapping[str, str]) -> RuntimeInfo:
        """Its processes, and its latest events, newest last. Raises if it can't look."""


@runtime_checkable
class PreparesUpdate(Protocol):
    """Optional capability: makes room for what Pulumi is about to create."""

    def prepare_update(self, spec: EnvironmentSpec) -> bool:
        """Called after ``program``, before an ``up``. Idempotent. Returns True if it removed something that the state
        may still contain, so a refresh must come first."""


@runtime_checkable
class RemovesUnrecorded(Protocol):
    """Optional capability: removes what an operation created before it was killed and Pulumi never recorded. Its name
    would be taken, or what contains it couldn't be deleted."""

    def remove_unrecorded(self, name: str, settings: Mapping[str, str], recorded: frozenset[str]) -> bool:
        """Called before an ``up`` or a destroy that follows an operation which didn't succeed. ``recorded``: the IDs of
        all resources in the state. Returns True if it removed something, so a refresh must follow. Idempotent."""


@runtime_checkable
class RefreshesAccess(Protocol):
    """Optional capability: lets Pulumi read an environment's resources, whether or not they still exist."""

    def refresh_access(self, name: str, settings: Mapping[str, str]) -> None:
        """Called before a refresh of an environment that is to be destroyed. Idempotent."""


@runtime_checkable
class StopsServing(Protocol):
    """Optional capability: people reach environments without Eph's gateway, which would stop that at once."""

    def stop_serving(self, name: str, settings: Mapping[str, str]) -> None:
        """Called first when an environment is destroyed, so that nobody reaches it meanwhile. Idempotent."""


@runtime_checkable
class DetectsDrift(Protocol):
    """Optional capability: reports which parts of all environments exist and are alive. Called each cycle."""

    def live_resources(self, settings: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
        """The IDs that Pulumi's state uses, by kind, for the kinds that can be checked. Raises if it can't look.

        ``inventory.DRIFTED`` contains parts (``Kind:id``) that exist but have been changed. ``inventory.PROCESS_KINDS``
        contains the kinds that are processes: a missing one has stopped. ``inventory.UNUSED_DATABASES`` contains
        databases that people should know about.
        """


@runtime_checkable
class Sleeps(Protocol):
    """Optional capability: stops an environment's processes and starts them again without Pulumi.

    Both methods are idempotent, and can be called after an earlier call was interrupted at any point.
    """

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        """Notifies the gateway, then stops what is running. All data stays."""

    def wake(self, name: str, settings: Mapping[str, str], wait: bool = True) -> None:
        """Starts the processes and returns when they respond, then notifies the gateway. Raises with the reason if they
        don't. Without ``wait``, returns as soon as they have been started."""


@runtime_checkable
class TimesLogs(Protocol):
    """Optional capability: notes when its logs grow, because their lines don't say when they were printed."""

    def record_log_times(self, settings: Mapping[str, str], now: datetime) -> None:
        """Called by ephd every few seconds. Cheap for logs that haven't grown."""


@runtime_checkable
class Restarts(Protocol):
    """Optional capability: restarts services of an environment that is awake, without Pulumi."""

    def restart(self, name: str, settings: Mapping[str, str], service: str) -> list[str]:
        """Restarts that service, or every service if it is empty, and returns which ones. It returns once they have
        been started, without waiting for them to respond. Databases keep running. Raises ``RestartUnavailable``."""


@runtime_checkable
class ResetsDatabases(Protocol):
    """Optional capability: starts over with a database of an environment."""

    def drop_database(self, spec: EnvironmentSpec, database: str) -> None:
        """Drops the database of this name in eph.yaml with its data. Idempotent. A refresh follows, and an update that
        creates, seeds and migrates it again."""


@runtime_checkable
class ListsResources(Protocol):
    """Optional capability: lists each resource it holds and can remove a single one."""

    def list_resources(self, settings: Mapping[str, str]) -> list[HeldResource]:
        """Everything marked with an environment's name, read from the target itself; nothing that belongs to others."""

    def delete_resource(self, resource: HeldResource, settings: Mapping[str, str]) -> bool:
        """Removes that one resource. Idempotent. Returns False if it can only be removed with its whole environment."""


@runtime_checkable
class TracksExpiry(Protocol):
    """Optional capability: keeps the expiry date of an environment up to date on its resources (C2)."""

    def set_expiry(self, name: str, settings: Mapping[str, str], expires_at: datetime | None) -> None:
        """None means never. A resource that doesn't exist is ignored."""


@runtime_checkable
class Prices(Protocol):
    """Optional capability: says what an environment costs before it exists (P10). Both methods are pure."""

    def price_list(self, settings: Mapping[str, str]) -> PriceList:
        """Every item that an estimate can contain, with its public price if there is one. The operator can set the
        amounts in ``[prices.<target>]`` of eph.toml."""

    def prices(self, spec: EnvironmentSpec, settings: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        """What the environment reserves, by part. ``price_list`` is the target's own, with the operator's amounts."""


@runtime_checkable
class PricesResources(Protocol):
    """Optional capability: says what single resources cost, which an audit shows for orphans (C2)."""

    def resource_prices(
        self, resources: Sequence[HeldResource], settings: Mapping[str, str], price_list: PriceList
    ) -> Mapping[HeldResource, Decimal]:
        """Dollars an hour, as the resources are now, read from the target itself. Those without a known price are left
        out."""


@runtime_checkable
class DownloadsPrices(Protocol):
    """Optional capability: gets its public prices from where they are published."""

    def download_prices(self, settings: Mapping[str, str], download: Download) -> PublishedPrices:
        """The current ones. Raises an error for people if it can't get them."""


@runtime_checkable
class PreparesServers(Protocol):
    """Optional capability: creates what a server needs there before its first environment (O4)."""

    @property
    def installation_options(self) -> type[InstallationOptions]: ...

    def installation(self, options: InstallationOptions) -> InstallationPlan:
        """May look things up, but creates nothing: that is the program's work. Raises an error for people."""


@runtime_checkable
class KeepsBuildCaches(Protocol):
    """Optional capability: keeps what builds of a repository download and compile for its next ones."""

    def list_build_caches(self, settings: Mapping[str, str]) -> list[CacheArchive]:
        """In any order."""

    def remove_build_cache(self, repository: str, settings: Mapping[str, str]) -> bool:
        """Existing environments keep their copies. Returns False if there is none."""


def list_resources(target: Target, settings: Mapping[str, str]) -> list[HeldResource]:
    """A target that can't list its resources still lists its environments."""
    if isinstance(target, ListsResources):
        return target.list_resources(settings)
    return [HeldResource("environment", name, name) for name in sorted(target.list_environments(settings))]


def installed_targets() -> list[str]:
    return sorted(_folders() | _entry_points(tuple(sys.path)).keys())


def find(name: str) -> Target | None:
    return get(name) if name in installed_targets() else None


def get(name: str) -> Target:
    if name in _folders():
        ours: Target = import_module(f"{targets.__name__}.{name}.target").TARGET
        return ours
    point = _entry_points(tuple(sys.path)).get(name)
    if point is not None:
        installed: Target = point.load()
        return installed
    raise UnknownTarget(wording.unknown_target(quote(name), installed_targets()))


def describe(name: str) -> TargetDescription | None:
    """None if no target of that name is installed."""
    return _describe(name) if name in installed_targets() else None


def descriptions() -> dict[str, TargetDescription]:
    """By name, for all installed targets."""
    return {name: _describe(name) for name in installed_targets()}


def _describe(name: str) -> TargetDescription:
    module = f"{targets.__name__}.{name}.description"
    if name in _folders() and find_spec(module) is not None:
        ours: TargetDescription = import_module(module).DESCRIPTION
        return ours
    target = get(name)
    return replace(target.description, runs_tests=isinstance(target, RunsTests))


@cache
def _folders() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(targets.__path__) if module.ispkg)


@cache
def _entry_points(path: tuple[str, ...]) -> dict[str, metadata.EntryPoint]:  # noqa: ARG001 - what they depend on
    """Targets of other packages, read once, because thousands of eph.yaml files look up their target."""
    found = {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    wrong = sorted(name for name in found if not _NAME.fullmatch(name))
    if wrong:
        raise InvalidTarget(wording.invalid_target_name(quote(wrong[0])))
    return found
