"""The versions of tools that a repository asks for in mise.toml or .tool-versions, found among the installed ones.

The files are only read, and mise and asdf never run: their hooks, tasks, plugins and environments would be code of the
repository outside its sandbox. A version that isn't installed is a notice; nothing is ever installed for a repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from programs.kit.host_settings import HostSettings
from programs.kit.tool_versions import installations, version_files, wording
from programs.kit.tool_versions.installations import InstalledVersion
from programs.kit.tool_versions.version_files import RequestedTool

MAX_NOTICES = 5


def find(settings: HostSettings, checkout: Path) -> tuple[InstalledVersion, ...]:
    """What the commands of this checkout use, the first one first."""
    folders = _folders(settings)
    requested = version_files.read(checkout)[0] if folders else ()
    return tuple(found for tool in requested for found in installations.find(folders, tool, _private(settings)))


def notices(settings: HostSettings, checkout: Path) -> tuple[str, ...]:
    """For the author: which version isn't installed, and files that can't be read. None without mise and asdf."""
    folders = _folders(settings)
    if not folders:
        return ()
    requested, problems = version_files.read(checkout)
    found = [*problems, *(_missing(folders, tool, settings) for tool in requested)]
    sentences = [sentence for sentence in found if sentence]
    more = [wording.more_notices(len(sentences) - MAX_NOTICES)] if len(sentences) > MAX_NOTICES else []
    return (*sentences[:MAX_NOTICES], *more)


def _folders(settings: HostSettings) -> tuple[Path, ...]:
    return () if settings.toolchains == "none" else installations.folders()


def _private(settings: HostSettings) -> tuple[Path, ...]:
    return (settings.root, settings.routes)


def _missing(folders: Sequence[Path], tool: RequestedTool, settings: HostSettings) -> str:
    if not tool.versions or installations.find(folders, tool, _private(settings)):
        return ""
    known = installations.versions(folders, tool.name)
    available = wording.installed(known[-MAX_NOTICES:]) if known else wording.NONE_INSTALLED
    return wording.not_installed(tool.file, tool.name, " or ".join(tool.versions), available)
