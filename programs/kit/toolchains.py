"""The languages of this machine that previews can use, without being listed in the settings.

What is on the PATH of previews comes first. A language that isn't there is looked for where ephd's own PATH leads, and
where installers and version managers put it. Only an installation in a folder of its own is shown to previews, never a
home or a folder with other things in it, and never the one that Eph itself is installed in.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMMANDS = {
    "Python": "python3",
    "Node.js": "node",
    "Go": "go",
    "Java": "java",
    "Ruby": "ruby",
    "Rust": "cargo",
    "PHP": "php",
    "Deno": "deno",
    "Bun": "bun",
}
"""The program of each language that others are beside."""
_VENDORS = ("bun", "corretto", "deno", "go", "graalvm", "java", "jdk", "jre", "node", "php", "python", "ruby", "rust")
SYSTEM = (
    "/usr/local/go",
    "/usr/lib/go-*",
    "/usr/lib/jvm/*",
    "/opt/hostedtoolcache/*/*/*",
    *(f"/opt/{name}*" for name in _VENDORS),
)
"""Folders of one installation each."""
MANAGERS = (
    ".pyenv/versions/*",
    ".local/share/uv/python/*",
    ".nvm/versions/node/*",
    ".local/share/fnm/node-versions/*/installation",
    ".volta/tools/image/node/*",
    ".rbenv/versions/*",
    ".rubies/*",
    ".sdkman/candidates/java/*",
    ".rustup/toolchains/*",
    ".asdf/installs/*/*",
    ".local/share/mise/installs/*/*",
    ".goenv/versions/*",
    "sdk/go*",
    ".deno",
    ".bun",
)
"""The same in a home."""


@dataclass(frozen=True, slots=True)
class InstalledLanguage:
    """``root`` is the installation, or None if its program is on the PATH of previews anyway."""

    language: str
    program: Path
    root: Path | None = None

    @property
    def version_name(self) -> tuple[tuple[int, ...], str]:
        """For comparing installations: 3.10 is newer than 3.9."""
        name = self.root.name if self.root else ""
        numbers = "".join(letter if letter.isdigit() else " " for letter in name).split()
        return tuple(int(number) for number in numbers), name


@dataclass(frozen=True, slots=True)
class SearchPlaces:
    """``path`` is the PATH of previews, ``own_path`` ephd's. ``private`` are folders that no preview may see."""

    path: str
    own_path: str
    homes: tuple[Path, ...]
    private: tuple[Path, ...]


def find(places: SearchPlaces) -> tuple[InstalledLanguage, ...]:
    """One per language, in the order of ``COMMANDS``."""
    found = []
    for language, command in COMMANDS.items():
        there = _on_path(places.path, command)
        if there is not None:
            found.append(InstalledLanguage(language, there))
        elif (other := _elsewhere(places, language, command)) is not None:
            found.append(other)
    return tuple(found)


@functools.cache
def on_this_machine(path: str, private: tuple[Path, ...]) -> tuple[InstalledLanguage, ...]:
    """Looked up once per process. Not in root's home, of which previews must not see a single name."""
    homes = () if os.geteuid() == 0 else (Path.home(),)
    return find(SearchPlaces(path, os.environ.get("PATH", ""), homes, (*private, *_own_folders())))


def extended_path(path: str, toolchains: Iterable[InstalledLanguage]) -> str:
    """The PATH of previews, with what isn't on it at the end."""
    more = dict.fromkeys(str(item.program.parent) for item in toolchains if item.root is not None)
    return os.pathsep.join([path, *more])


def _own_folders() -> tuple[Path, ...]:
    """Where Eph and its packages are. The interpreter that a virtual environment was created from isn't Eph's own."""
    environment = [Path(sys.prefix)] if sys.prefix != sys.base_prefix else []
    return (Path(__file__).resolve().parents[2], *environment)


def _elsewhere(places: SearchPlaces, language: str, command: str) -> InstalledLanguage | None:
    chosen = _on_path(places.own_path, command)
    if chosen is not None:
        root = _installation(chosen.resolve(), places)
        if root is not None:
            return InstalledLanguage(language, chosen.resolve(), root)
    candidates = [
        InstalledLanguage(language, root / "bin" / command, root)
        for root in _installed(places)
        if _is_program(root / "bin" / command) and _installation((root / "bin" / command).resolve(), places)
    ]
    return max(candidates, key=lambda item: item.version_name, default=None)


def _installation(program: Path, places: SearchPlaces) -> Path | None:
    """The folder that contains this program and nothing but its installation. None if previews may not see it."""
    root = program.parent.parent
    if program.parent.name != "bin" or not any(root.match(pattern) for pattern in _patterns(places)):
        return None
    return None if any(kept.is_relative_to(root) for kept in places.private) else root


def _installed(places: SearchPlaces) -> Iterator[Path]:
    for pattern in _patterns(places):
        yield from (path for path in Path("/").glob(pattern.removeprefix("/")) if not path.is_symlink())


def _patterns(places: SearchPlaces) -> list[str]:
    return [*SYSTEM, *(str(home / name) for home in places.homes for name in MANAGERS)]


def _on_path(path: str, command: str) -> Path | None:
    folders = (Path(folder) for folder in path.split(os.pathsep) if folder.startswith("/"))
    return next((folder / command for folder in folders if _is_program(folder / command)), None)


def _is_program(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:
        return False
