"""Keeps the screenshots of each suite's last run, in files next to its log: deleted with the environment's records.

The names that a suite gave its files are only text in an index. On disk, files have names of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs.kit import files
from programs.screenshots import MEDIA_TYPES, Screenshots

MAX_SUITES = 5
"""Suites of one environment whose screenshots are kept: those that ran last."""
_SUFFIX = ".screenshots"
_INDEX = "index.json"
_FILE = re.compile(r"[0-9]{1,3}\.(png|jpg)")


@dataclass(frozen=True, slots=True)
class ScreenshotInfo:
    """``file``: its name of ours; ``name``: that of the suite. The size is in pixels."""

    file: str
    name: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SuiteScreenshots:
    """``omitted``: how many more there were that are over a limit."""

    files: tuple[ScreenshotInfo, ...] = ()
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class ScreenshotContent:
    media_type: str
    data: bytes


def save(folder: Path, suite: str, commit: str, found: Screenshots, suites: Collection[str]) -> None:
    """In place of those of the suite's earlier run. ``suites``: all of the environment's; others lose theirs."""
    _delete_old(folder, {*suites} - {suite})
    place = _place(folder, suite)
    files.remove(place)
    if not found.files and not found.omitted:
        return
    fresh = files.make_folder(folder / f".{suite}{_SUFFIX}.new")
    index = []
    for number, item in enumerate(found.files):
        name = f"{number}.{item.picture.kind}"
        files.create(fresh / name, item.data)
        size = item.picture.width, item.picture.height
        index.append({"file": name, "name": item.name, "width": size[0], "height": size[1], "bytes": len(item.data)})
    files.write(fresh / _INDEX, json.dumps({"commit": commit, "omitted": found.omitted, "files": index}))
    fresh.rename(place)


def load(folder: Path, suite: str, commit: str) -> SuiteScreenshots:
    """Those of the suite's last run, if it was on that commit."""
    try:
        data: dict[str, Any] = json.loads((_place(folder, suite) / _INDEX).read_text())
        if data["commit"] != commit:
            return SuiteScreenshots()
        return SuiteScreenshots(tuple(ScreenshotInfo(**item) for item in data["files"]), data["omitted"])
    except (OSError, ValueError, KeyError, TypeError):
        return SuiteScreenshots()


def read(folder: Path, suite: str, file: str) -> ScreenshotContent | None:
    """None if there is no such file."""
    found = _FILE.fullmatch(file)
    if found is None:
        return None
    try:
        return ScreenshotContent(MEDIA_TYPES[found[1]], (_place(folder, suite) / file).read_bytes())
    except OSError:
        return None


def _place(folder: Path, suite: str) -> Path:
    return folder / f"{suite}{_SUFFIX}"


def _delete_old(folder: Path, others: Collection[str]) -> None:
    files.make_folder(folder)
    for path in folder.glob(f".*{_SUFFIX}.new"):
        files.remove(path)  # of a killed process
    kept = sorted(_ours(folder), key=lambda path: path.stat().st_mtime, reverse=True)
    allowed = [path for path in kept if path.name.removesuffix(_SUFFIX) in others][: MAX_SUITES - 1]
    for path in kept:
        if path not in allowed:
            files.remove(path)


def _ours(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob(f"*{_SUFFIX}") if path.is_dir())
