"""Folders of services that outlive pushes, restarts and sleep. They are removed with their environment.

A volume's folder is named after its path in the service, so the next commit finds the same one. A relative path is in
the checkout. If the commit has files there, the new volume begins with a copy of them; later, they stay hidden.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from programs.kit import files, identifiers
from programs.kit.errors import CommitFailed
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import users
from programs.kit.processes import command_runner, sandbox
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.steps import StepName
from programs.targets.local import wording
from programs.targets.local.settings import LocalSettings

_COPY = "/tmp/volume"  # noqa: S108 - in the sandbox, where /tmp is private
_COPY_SECONDS = 600


def mounted(settings: LocalSettings, workspace: Workspace, program: ProgramName, paths: Iterable[str]) -> Workspace:
    """The workspace with the service's volumes. Those that exist keep their content."""
    volumes = []
    for path in paths:
        folder = _folder(settings, program.environment, program.service, path)
        target = workspace.checkout / path
        if not path.startswith("/"):
            _check_place(workspace.checkout, path)
            if not folder.exists() and target.exists():
                _copy(settings, workspace, program, path, folder)
        volumes.append((_ensure(settings, program.environment, folder), str(target)))
    return replace(workspace, volumes=tuple(volumes))


def _check_place(checkout: Path, path: str) -> None:
    """The folder may be absent: the sandbox creates it. Nothing is written here, because a command of the repository
    could replace a folder by a link at any time."""
    place = checkout
    for name in path.split("/"):
        place /= name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise CommitFailed(wording.volume_on_no_folder(path, place.relative_to(checkout)))


def _copy(settings: LocalSettings, workspace: Workspace, program: ProgramName, path: str, folder: Path) -> None:
    """By a command in the sandbox, which can't read more than the repository's own commands can."""
    fresh = folder.with_suffix(".new")
    files.remove(fresh)
    inside = replace(workspace, volumes=((_ensure(settings, program.environment, fresh), _COPY),))
    line = f"cp -a -- {shlex.quote(path)}/. {_COPY}"
    step = StepName.START, program.service
    job = CommandRun(wording.copy_to_volume(path), f"volume-{program.service}", line, _COPY_SECONDS, {}, step=step)
    command_runner.run(settings, program.environment, inside, job)
    fresh.replace(folder)


def _folder(settings: LocalSettings, environment: str, service: str, path: str) -> Path:
    identifiers.check_label(service, "service")
    return settings.env(environment) / "volumes" / service / hashlib.sha256(path.encode()).hexdigest()[:12]


def _ensure(settings: LocalSettings, environment: str, folder: Path) -> Path:
    """Its owner is checked each time, because an operation may have been killed before it gave the folder away."""
    files.make_folder(folder)
    if sandbox.kind(settings) != "none":
        user = users.reserve(settings, environment)
        if folder.stat().st_uid != user:
            users.give(folder, user)
    return folder
