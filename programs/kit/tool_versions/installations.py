"""The versions that mise and asdf installed on this machine: folders ``installs/TOOL/VERSION``.

As elsewhere, previews see nothing of root's home: an operator who runs ephd as root installs tools for the system
(``mise install --system``), or sets MISE_DATA_DIR or ASDF_DATA_DIR in ephd's environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from programs.kit.tool_versions.version_files import RequestedTool

SYSTEM_FOLDER = Path("/usr/local/share/mise/installs")
_ASDF_NAMES = {"node": "nodejs", "go": "golang"}
_PROGRAM_FOLDERS = ("bin", "go/bin")
"""In an installation. Some have their programs at the top."""
_LATEST = "latest"


@dataclass(frozen=True, slots=True)
class InstalledVersion:
    """``root``: the installation. ``programs``: the folder with its programs."""

    tool: str
    version: str
    root: Path
    programs: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"JAVA_HOME": str(self.root)} if self.tool == "java" else {}


def folders() -> tuple[Path, ...]:
    """Those that exist on this machine."""
    home, is_root = Path.home(), os.geteuid() == 0
    own = [] if is_root else [home / ".local/share/mise/installs", home / ".asdf/installs"]
    given = [os.environ.get(name, "") for name in ("MISE_DATA_DIR", "ASDF_DATA_DIR")]
    named = [Path(item) / "installs" for item in given if item.startswith("/")]
    hidden = home if is_root and home != Path("/") else None
    found = [path for path in (*named, *own, SYSTEM_FOLDER) if path.is_dir()]
    return tuple(path for path in dict.fromkeys(found) if hidden is None or not path.is_relative_to(hidden))


def find(folders: Sequence[Path], tool: RequestedTool, private: Sequence[Path]) -> list[InstalledVersion]:
    """The installed ones among the requested versions."""
    found = (_first(folders, tool.name, version, private) for version in tool.versions)
    return [item for item in found if item is not None]


def versions(folders: Sequence[Path], tool: str) -> list[str]:
    """All that are installed, the oldest first."""
    return sorted({path.name for folder in _tool_folders(folders, tool) for path in _installed(folder)}, key=_order)


def list_tools(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Every tool that has versions here."""
    own = {name: tool for tool, name in _ASDF_NAMES.items()}
    names = sorted({own.get(path.name, path.name) for folder in folders for path in _subfolders(folder)})
    return {name: known for name in names if (known := versions(folders, name))}


def _first(folders: Sequence[Path], tool: str, version: str, private: Sequence[Path]) -> InstalledVersion | None:
    for folder in _tool_folders(folders, tool):
        root = _match(folder, version)
        if root is None or any(kept.is_relative_to(root) for kept in private):
            continue
        programs = next((root / name for name in _PROGRAM_FOLDERS if (root / name).is_dir()), root)
        return InstalledVersion(tool, version, root, programs)
    return None


def _match(folder: Path, version: str) -> Path | None:
    """The installation for ``20.1.0``, for a prefix such as ``20`` or ``prefix:20``, or for ``latest``. A name may be
    a link to another version, never to a place outside."""
    wanted = version.removeprefix("prefix:")
    if "/" in wanted or wanted.startswith("."):
        return None
    exact = (folder / wanted).resolve()
    if exact.is_dir() and exact.parent == folder.resolve():
        return exact
    matching = [path for path in _installed(folder) if wanted == _LATEST or _has_prefix(path.name, wanted)]
    return max(matching, key=lambda path: _order(path.name)).resolve() if matching else None


def _has_prefix(name: str, wanted: str) -> bool:
    return name.startswith(wanted) and not name[len(wanted) : len(wanted) + 1].isalnum()


def _tool_folders(folders: Sequence[Path], tool: str) -> Iterator[Path]:
    """mise replaces what can't be in a folder's name: ``npm:prettier`` is in ``npm-prettier``."""
    names = dict.fromkeys((tool, re.sub(r"[^a-z0-9]+", "-", tool).strip("-"), _ASDF_NAMES.get(tool, tool)))
    for folder in folders:
        yield from (folder / name for name in names if "/" not in name and not name.startswith("."))


def _installed(folder: Path) -> list[Path]:
    return [path for path in _subfolders(folder) if not path.is_symlink()]


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []


def _order(name: str) -> tuple[list[int], str]:
    """3.10 is newer than 3.9."""
    return [int(number) for number in re.findall(r"\d+", name)], name
