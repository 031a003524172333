"""Where things are in the repository's compose files, for messages, and the paths in them that leave the repository.

The files are read as events of YAML: nothing is constructed, and neither aliases nor depth can make it expensive. What
counts is the project that Docker Compose makes of them (``project_checks``); here only lines and paths are looked up.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from programs.kit.errors import CommitFailed
from programs.targets.compose.files import wording

DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
DEFAULT_OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
MAX_FILES = 30
MAX_CHARACTERS = 500_000
MAX_DEPTH = 60
SERVICE_FILES = (("env_file",), ("label_file",), ("extends", "file"), ("build", "context"), ("build",))
"""Keys of a service whose text is a path, or a list of paths or of mappings with ``path``."""
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*:|git@", re.IGNORECASE)

SourcePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """``lines`` has the line of each key and item, ``texts`` the text of each scalar, both by their path."""

    path: str
    lines: Mapping[SourcePath, int]
    texts: Mapping[SourcePath, str]


@dataclass(frozen=True, slots=True)
class PlacedFinding:
    """A problem, and where it is in the repository. Line 0: unknown."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.message}"


@dataclass(frozen=True, slots=True)
class ComposeSources:
    """The compose files and everything that they include or extend, in the order in which Compose reads them."""

    roots: tuple[str, ...]
    files: tuple[SourceFile, ...]
    findings: tuple[PlacedFinding, ...] = field(default=())

    def place(self, path: SourcePath, message: str) -> PlacedFinding:
        """The finding at the file that sets ``path`` last, or else at the nearest key around it."""
        for length in range(len(path), 0, -1):
            for file in reversed(self.files):
                if path[:length] in file.lines:
                    return PlacedFinding(file.path, file.lines[path[:length]], message)
        return PlacedFinding(self.roots[0], 0, message)


def read(checkout: Path, chosen: Iterable[str]) -> ComposeSources:
    """Raises if there is no compose file, or if one can't be read."""
    roots = tuple(chosen) or tuple(_default_files(checkout))
    found: dict[str, SourceFile] = {}
    findings: list[PlacedFinding] = []
    pending = list(roots)
    while pending:
        path = pending.pop(0)
        if path in found:
            continue
        if len(found) == MAX_FILES:
            raise CommitFailed(wording.too_many_files(MAX_FILES))
        file = _read_file(checkout, path)
        found[path] = file
        findings += _paths_outside(file)
        pending += [item for item in _other_files(file) if (checkout / item).is_file()]
    included = [file for path, file in found.items() if path not in roots]
    return ComposeSources(roots, (*included, *(found[path] for path in roots)), tuple(findings))


def _default_files(checkout: Path) -> Iterator[str]:
    first = next((name for name in DEFAULT_FILES if (checkout / name).is_file()), None)
    if first is None:
        raise CommitFailed(wording.none_found(DEFAULT_FILES))
    yield first
    yield from (name for name in DEFAULT_OVERRIDES if (checkout / name).is_file())


def _read_file(checkout: Path, path: str) -> SourceFile:
    real = Path(os.path.realpath(checkout / path))
    if not real.is_relative_to(os.path.realpath(checkout)) or not real.is_file():
        raise CommitFailed(wording.no_such_file(path))
    if real.stat().st_size > MAX_CHARACTERS:
        raise CommitFailed(wording.too_large(path, MAX_CHARACTERS))
    try:
        lines, texts = _index(real.read_text(), path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = 0 if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or wording.NOT_UTF8
        raise CommitFailed(wording.invalid_yaml(path, line, problem)) from error
    return SourceFile(path, lines, texts)


@dataclass(slots=True)
class _Collection:
    """An open mapping or list. ``key`` is the current key of a mapping or the number of the next item."""

    path: SourcePath
    is_mapping: bool
    key: str | int | None = None

    def next_path(self) -> SourcePath:
        if not self.is_mapping:
            self.key = 0 if self.key is None else int(self.key) + 1
        return (*self.path, "" if self.key is None else self.key)


def _index(text: str, name: str) -> tuple[dict[SourcePath, int], dict[SourcePath, str]]:
    lines: dict[SourcePath, int] = {}
    texts: dict[SourcePath, str] = {}
    stack: list[_Collection] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        top = stack[-1] if stack else None
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
            _end_value(stack)
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            if top is not None and top.is_mapping and top.key is None:
                top.key = event.value if isinstance(event, yaml.ScalarEvent) else ""
                lines[(*top.path, top.key)] = line
                continue
            path = top.next_path() if top else ()
            lines.setdefault(path, line)
            if isinstance(event, yaml.ScalarEvent):
                texts[path] = event.value
            _end_value(stack)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(stack) == MAX_DEPTH:
                raise CommitFailed(wording.too_deep(name, line, MAX_DEPTH))
            path = top.next_path() if top else ()
            lines.setdefault(path, line)
            stack.append(_Collection(path, isinstance(event, yaml.MappingStartEvent)))
    return lines, texts


def _end_value(stack: list[_Collection]) -> None:
    if stack and stack[-1].is_mapping:
        stack[-1].key = None


def _other_files(file: SourceFile) -> Iterator[str]:
    """The files that this one includes or extends, as paths in the repository."""
    folder = posixpath.dirname(file.path)
    for path, text in file.texts.items():
        included = path[0] == "include" and (len(path) == 2 or "path" in path)
        extended = path[0] == "services" and path[2:] == ("extends", "file")
        if (included or extended) and not _leaves(folder, text):
            yield posixpath.normpath(posixpath.join(folder, text))


def _paths_outside(file: SourceFile) -> Iterator[PlacedFinding]:
    folder = posixpath.dirname(file.path)
    for path, text in file.texts.items():
        if _is_path(path) and _leaves(folder, text):
            yield PlacedFinding(file.path, file.lines[path], wording.path_outside(text[:100]))


def _is_path(path: SourcePath) -> bool:
    match path:
        case ("include", *_):
            return True
        case ("services", _, *rest):
            return any(tuple(rest[: len(key)]) == key and _names_path(rest[len(key) :]) for key in SERVICE_FILES)
        case ("configs" | "secrets", _, "file"):
            return True
    return False


def _names_path(rest: Iterable[str | int]) -> bool:
    """The value itself, an item of a list, or its ``path``."""
    names = [item for item in rest if isinstance(item, str)]
    return names in ([], ["path"])


def _leaves(folder: str, text: str) -> bool:
    """Values with variables are judged when Compose has filled them in."""
    if "$" in text:
        return False
    joined = posixpath.normpath(posixpath.join(folder, text))
    return joined.startswith(("/", "../", "~")) or joined == ".." or _REMOTE.match(text) is not None
