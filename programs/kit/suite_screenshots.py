"""Reads the screenshots that a suite left in its checkout. Untrusted code wrote them and may still be changing them, so
no link is followed, only regular files are read, and there is a limit for everything that they could be too many of."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from programs import screenshots
from programs.screenshots import Screenshot, Screenshots

MAX_ENTRIES = 2000
"""How many files and folders are looked at."""
MAX_DEPTH = 8
CLOCK_TOLERANCE = 2.0
"""Of a file system's times, in seconds."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = _READ | os.O_DIRECTORY


@dataclass(slots=True)
class _Budget:
    """What may still be read."""

    entries: int = field(default_factory=lambda: MAX_ENTRIES)
    size: int = field(default_factory=lambda: screenshots.MAX_TOTAL_BYTES)
    found: list[Screenshot] = field(default_factory=list)
    omitted: int = 0

    def add(self, name: str, file: int, size: int) -> None:
        if len(self.found) >= screenshots.MAX_FILES or size > min(screenshots.MAX_FILE_BYTES, self.size):
            self.omitted += 1
            return
        with os.fdopen(os.dup(file), "rb") as reader:
            data = reader.read(size)  # what is appended meanwhile isn't part of it
        picture = screenshots.identify(data)
        if picture is None:
            return
        self.found.append(Screenshot(_shown(name), picture, data))
        self.size -= len(data)


def read(checkout: Path, folder: str, since: float) -> Screenshots:
    """``folder``: in the checkout. ``since``: only files that were written after that time, in seconds since the
    epoch: others are in the repository, or another suite's."""
    budget = _Budget()
    if ".." in folder.split("/"):
        return Screenshots()
    top = os.open(checkout, _FOLDER)
    try:
        for name in (part for part in folder.split("/") if part not in ("", ".")):
            deeper = os.open(name, _FOLDER, dir_fd=top)
            os.close(top)
            top = deeper
        _read_folder(top, "", since - CLOCK_TOLERANCE, budget)
    except OSError:
        return Screenshots()  # there is no such folder
    finally:
        os.close(top)
    return Screenshots(tuple(budget.found), budget.omitted)


def _read_folder(folder: int, prefix: str, since: float, budget: _Budget, depth: int = 0) -> None:
    for name in _list(folder, budget):
        try:
            entry = os.open(name, _READ, dir_fd=folder)
        except OSError:
            continue  # a link, or it is gone
        try:
            status = os.fstat(entry)
            if stat.S_ISDIR(status.st_mode) and depth < MAX_DEPTH:
                _read_folder(entry, f"{prefix}{name}/", since, budget, depth + 1)
            elif stat.S_ISREG(status.st_mode) and _is_candidate(name, status, since):
                budget.add(f"{prefix}{name}", entry, status.st_size)
        finally:
            os.close(entry)


def _is_candidate(name: str, status: os.stat_result, since: float) -> bool:
    return name.lower().endswith(screenshots.SUFFIXES) and status.st_mtime >= since


def _list(folder: int, budget: _Budget) -> list[str]:
    return sorted(_entries(folder, budget))


def _entries(folder: int, budget: _Budget) -> Iterator[str]:
    with os.scandir(folder) as found:
        for entry in found:
            if budget.entries <= 0:
                return
            budget.entries -= 1
            yield entry.name


def _shown(name: str) -> str:
    """A name can be any bytes."""
    text = os.fsencode(name).decode(errors="replace")
    clean = "".join(letter if letter.isprintable() else "�" for letter in text)
    return clean if len(clean) <= screenshots.MAX_NAME_LENGTH else f"…{clean[1 - screenshots.MAX_NAME_LENGTH :]}"
