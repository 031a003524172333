"""Reads mise.toml and .tool-versions in the top folder of a checkout: only which versions of which tools they name.

The files are untrusted: each is opened without following links, only if it is a regular file, and up to a limit.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs.kit import files
from programs.kit.tool_versions import wording

MISE_FILES = ("mise.toml", ".mise.toml", ".config/mise.toml")
ASDF_FILE = ".tool-versions"
MAX_BYTES = 64 * 1024
MAX_TOOLS = 50
MAX_LENGTH = 100
SYSTEM = "system"
"""Stands for the machine's own program."""
_ALIASES = {"nodejs": "node", "golang": "go"}
"""asdf's names, and mise's for the same tool."""
_BACKEND = re.compile(r"^(core|asdf|vfox):")
_WORD = re.compile(r"[\w@./:+~-]+")


@dataclass(frozen=True, slots=True)
class RequestedTool:
    """``versions``: any of them, the preferred one first; empty if the machine's own is asked for."""

    name: str
    versions: tuple[str, ...]
    file: str


def read(checkout: Path) -> tuple[tuple[RequestedTool, ...], tuple[str, ...]]:
    """The tools, each once, and sentences about files that can't be read. The first file that names a tool counts."""
    found: dict[str, RequestedTool] = {}
    problems = []
    for file in (*MISE_FILES, ASDF_FILE):
        text = _text(checkout, file)
        if text is None:
            continue
        try:
            for tool in _parse(file, text):
                found.setdefault(tool.name, tool)
        except (ValueError, TypeError, RecursionError):
            problems.append(wording.invalid_file(file))
    return tuple(found.values())[:MAX_TOOLS], tuple(problems)


def _text(checkout: Path, file: str) -> str | None:
    try:
        with files.open_regular_file(checkout, file) as descriptor:
            data = os.read(descriptor, MAX_BYTES + 1) if descriptor >= 0 else b""
    except OSError:
        return None
    return data.decode(errors="replace") if len(data) <= MAX_BYTES else "\0"  # which no parser accepts


def _parse(file: str, text: str) -> Iterator[RequestedTool]:
    if "\0" in text:
        raise ValueError(file)
    tools = _lines(text) if file == ASDF_FILE else _table(tomllib.loads(text))
    for name, versions in tools:
        words = [word for word in versions if _WORD.fullmatch(word) and len(word) <= MAX_LENGTH]
        plain = _BACKEND.sub("", name.lower())
        if _WORD.fullmatch(plain) and len(plain) <= MAX_LENGTH:
            wanted = tuple(word for word in words if word != SYSTEM)
            yield RequestedTool(_ALIASES.get(plain, plain), wanted, file)


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        name, *versions = line.partition("#")[0].split() or [""]
        if name:
            yield name, versions


def _table(data: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    tools = data.get("tools", {})
    if not isinstance(tools, dict):
        raise TypeError("tools")
    for name, value in tools.items():
        items = value if isinstance(value, list) else [value]
        yield name, [str(item.get("version", "")) if isinstance(item, dict) else str(item) for item in items]
