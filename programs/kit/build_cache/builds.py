"""Runs a build: in a slot of the machine, with the environment's build cache.

An environment's first build starts with the repository's archive. A build of the repository's own commits that changed
its cache replaces the archive; a fork's never does, so it can't change what others build from. No problem with a cache
ever fails a build.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from programs import steps
from programs.kit import build_slots, files
from programs.kit.build_cache import archives, tools
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
    """Whose build cache it uses. ``repository`` is its ID at the Git host; without one, no cache is used."""

    repository: str = ""
    from_fork: bool = False


def run(
    settings: HostSettings, environment: str, workspace: Workspace, command: CommandRun, source: BuildSource
) -> Workspace:
    """Returns the workspace with the cache, for what runs after the build. Raises an error if the build fails."""
    with build_slots.acquired(settings):
        cached = _prepare(settings, environment, workspace, source)
        command_runner.run(settings, environment, cached, replace(command, niceness=sandbox.BUILD_NICENESS))
        if cached.cache is not None and not source.from_fork:
            _save(CacheTransfer(settings, environment, cached), source.repository)
    return cached


def existing_cache(settings: HostSettings, environment: str) -> Path | None:
    """The cache of an environment that was built with one. Some tools read theirs at run time, too."""
    found = archives.environment_folder(settings, environment)
    return found if found.is_dir() else None


def _prepare(settings: HostSettings, environment: str, workspace: Workspace, source: BuildSource) -> Workspace:
    folder = archives.environment_folder(settings, environment)
    if not (source.repository and settings.cache_bytes):
        files.remove(folder)
        return replace(workspace, cache=None)
    cached = replace(workspace, cache=folder)
    state = archives.read_state(settings, environment)
    if state is None or state.repository != source.repository or not folder.is_dir():
        _empty(settings, environment, folder)
        _fill(CacheTransfer(settings, environment, cached), source, folder)
        archives.write_state(settings, environment, _measure(folder, source.repository))
    return cached


def _empty(settings: HostSettings, environment: str, folder: Path) -> None:
    files.remove(folder)
    files.make_folder(folder)
    if sandbox.kind(settings) != "none":
        users.give(folder, users.reserve(settings, environment))


def _fill(transfer: CacheTransfer, source: BuildSource, folder: Path) -> None:
    settings = transfer.settings
    archive = archives.open_archive(settings, source.repository, time.time())
    if archive is None:
        return
    with archive, steps.step(StepName.RESTORE_CACHE) as output:
        try:
            transfer.unpack(archive)
        except Cancelled:
            raise
        except (OSError, TargetError) as error:
            output.add([f"The build cache can't be used, so this build starts without one: {error}"])
            _empty(settings, transfer.environment, folder)
            if not source.from_fork:
                archives.remove(settings, source.repository)


def _save(transfer: CacheTransfer, repository: str) -> None:
    settings, environment = transfer.settings, transfer.environment
    now = _measure(archives.environment_folder(settings, environment), repository)
    if not now.files:
        return
    if now == archives.read_state(settings, environment) and archives.path(settings, repository).exists():
        archives.mark_used(settings, repository, time.time())
        return
    with steps.step(StepName.SAVE_CACHE) as output:
        try:
            output.add([_replace_archive(transfer, repository)])
        except Cancelled:
            raise
        except (OSError, TargetError) as error:
            output.add([f"The build cache wasn't saved: {error}"])
            return
    archives.write_state(settings, environment, now)
    archives.collect(settings, time.time())


def _measure(folder: Path, repository: str) -> CacheState:
    """Of what would be archived."""
    found = [folder / name for name in tools.ARCHIVED if os.path.lexists(folder / name)]
    return CacheState(repository, *disk.usage(*found)) if found else CacheState(repository)


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
        return "The build cache is larger than the server's limit (setting cache_bytes), so the next one starts empty."
    if not size:
        return "Nothing in the build cache is of use to other environments."
    return f"The next environments of this repository start with these {size / MEGABYTE:.0f} MB."
