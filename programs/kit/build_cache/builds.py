"""Runs a build: in a slot of the machine, with the environment's build cache.

A build starts with a copy of the repository's archive that nothing else can reach, not even the environment's services
that already run. A build of the repository's own branches and pull requests that changed its copy replaces the archive.
A fork's and a label deploy's never do, so they can't change what others build from. No problem with a cache ever fails
a build.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from programs import steps
from programs.kit import build_memory, build_slots, files
from programs.kit.build_cache import archives, tools, wording
from programs.kit.build_cache.archives import CacheState
from programs.kit.build_cache.transfer import ArchiveTooLarge, CacheTransfer
from programs.kit.errors import Cancelled, TargetError
from programs.kit.host_settings import MEGABYTE, HostSettings
from programs.kit.isolation import disk, users
from programs.kit.processes import command_runner, sandbox
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.steps import StepName


@dataclass(frozen=True, slots=True)
class BuildSource:
    """Whose build cache it uses. ``repository`` is its ID at the Git host; without one, no cache is used.
    ``read_only``: it never changes the repository's archive."""

    repository: str = ""
    from_fork: bool = False
    read_only: bool = False

    @property
    def may_change_archive(self) -> bool:
        return not (self.from_fork or self.read_only)


def run(
    settings: HostSettings, environment: str, workspace: Workspace, command: CommandRun, source: BuildSource
) -> Workspace:
    """Returns the workspace with the cache, for what runs after the build. Raises an error if the build fails."""
    expected = build_memory.estimate(settings, source.repository)
    with build_slots.acquired(settings, expected) as slot, build_memory.measuring(slot.report) as peak:
        try:
            return _run(settings, environment, workspace, command, source)
        finally:
            if not source.from_fork:
                build_memory.record(settings, source.repository, peak())


def _run(
    settings: HostSettings, environment: str, workspace: Workspace, command: CommandRun, source: BuildSource
) -> Workspace:
    if not (source.repository and settings.cache_bytes):
        command_runner.run(settings, environment, workspace, _in_background(command))
        return workspace
    transfer = CacheTransfer(settings, environment, replace(workspace, cache=_folder(settings, environment, workspace)))
    filled = _fill(transfer, source)
    command_runner.run(settings, environment, transfer.workspace, _in_background(command))
    if source.may_change_archive:
        _save(transfer, filled)
    # From now on the environment's services may change it.
    archives.write_state(settings, environment, CacheState(source.repository))
    archives.collect(settings, time.time())
    return transfer.workspace


def existing_cache(settings: HostSettings, environment: str, checkout: Path) -> Path | None:
    """The cache that a checkout was built with. Some tools read theirs at run time, too."""
    found = archives.environment_folder(settings, environment) / checkout.name
    return found if found.is_dir() else None


def remove_caches(settings: HostSettings, environment: str, keep: str = "") -> None:
    """Those of all generations but one."""
    folder = archives.environment_folder(settings, environment)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != keep:
            files.remove(path)


def _in_background(command: CommandRun) -> CommandRun:
    return replace(command, niceness=sandbox.BUILD_NICENESS)


def _folder(settings: HostSettings, environment: str, workspace: Workspace) -> Path:
    """A folder for each generation: nothing that already runs can reach it."""
    return archives.environment_folder(settings, environment) / workspace.checkout.name


def _fill(transfer: CacheTransfer, source: BuildSource) -> CacheState:
    """Starts with the repository's archive, unless an earlier attempt of the same generation already did."""
    settings, environment = transfer.settings, transfer.environment
    generation = transfer.workspace.checkout.name
    state = archives.read_state(settings, environment)
    if (
        state is not None
        and (state.repository, state.unfinished) == (source.repository, generation)
        and transfer.folder.is_dir()
    ):
        return state
    _empty(transfer)
    _unpack(transfer, source)
    state = CacheState(source.repository, generation, *_measure(transfer.folder))
    archives.write_state(settings, environment, state)
    return state


def _empty(transfer: CacheTransfer) -> None:
    files.remove(transfer.folder)
    files.make_folder(transfer.folder)
    if sandbox.kind(transfer.settings) != "none":
        users.give(transfer.folder, users.reserve(transfer.settings, transfer.environment))


def _unpack(transfer: CacheTransfer, source: BuildSource) -> None:
    archive = archives.open_archive(transfer.settings, source.repository, time.time())
    if archive is None:
        return
    with archive, steps.step(StepName.RESTORE_CACHE) as output:
        try:
            transfer.unpack(archive)
        except Cancelled:
            raise
        except (OSError, TargetError) as error:
            output.add([wording.not_used(error)])
            _empty(transfer)
            if source.may_change_archive:
                archives.remove(transfer.settings, source.repository)


def _save(transfer: CacheTransfer, filled: CacheState) -> None:
    settings, repository = transfer.settings, filled.repository
    size, number = _measure(transfer.folder)
    unchanged = (size, number) == (filled.size, filled.files) and archives.path(settings, repository).exists()
    if unchanged or not number:
        return
    with steps.step(StepName.SAVE_CACHE) as output:
        try:
            output.add([_replace_archive(transfer, repository)])
        except Cancelled:
            raise
        except (OSError, TargetError) as error:
            output.add([wording.not_saved(error)])


def _measure(folder: Path) -> tuple[int, int]:
    """Of what would be archived: its size, and the number of files."""
    found = [folder / name for name in tools.ARCHIVED if os.path.lexists(folder / name)]
    return disk.usage(*found) if found else (0, 0)


def _replace_archive(transfer: CacheTransfer, repository: str) -> str:
    """Returns a line for people."""
    settings = transfer.settings
    free = shutil.disk_usage(settings.root).free
    try:
        with archives.replacing(settings, repository) as archive:
            size = transfer.pack(archive, min(settings.cache_bytes, free // 2))
    except ArchiveTooLarge:
        # Otherwise every build from now on would try it again.
        archives.remove(settings, repository)
        return wording.TOO_LARGE
    if not size:
        return wording.NOTHING_SHARED
    return wording.saved(size / MEGABYTE)
