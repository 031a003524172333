"""Roughly when the lines of a log file were printed, although the lines themselves don't say it.

The owner of the logs calls ``record`` every few seconds. A file next to each log then contains the times at which the
log had grown, and its size. That is enough to find what was printed since a time, to within those seconds.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

SUFFIX = ".times"
MAX_BYTES = 64 * 1024
"""Of the times of one log. Beyond that, the older half is dropped."""


class LogTimes:
    """Remembers sizes between calls, so that a log that hasn't grown costs one look at it."""

    def __init__(self) -> None:
        self._sizes: dict[Path, int] = {}

    def record(self, folder: Path, now: datetime) -> None:
        sizes = {}
        for path in folder.glob("*.log"):
            try:
                sizes[path] = size = path.stat().st_size
            except FileNotFoundError:
                continue
            if self._sizes.get(path) != size:
                _append(times_file(path), f"{int(now.timestamp())} {size}\n")
        self._sizes = sizes


def times_file(log: Path) -> Path:
    return log.with_name(log.name + SUFFIX)


def position(log: Path, after: datetime) -> int:
    """The number of bytes that the log had by then. Zero if that isn't known, or if the log was begun again since."""
    found, before = 0, 0
    for at, size in _read(times_file(log)):
        if size < before:
            found = 0
        if at <= after.timestamp():
            found = size
        before = size
    try:
        return found if found <= log.stat().st_size else 0
    except FileNotFoundError:
        return 0


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line)
        if file.tell() <= MAX_BYTES:
            return
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[len(lines) // 2 :]))


def _read(path: Path) -> list[tuple[int, int]]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    pairs = [line.split(" ") for line in lines]
    return [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2 and all(map(str.isdecimal, pair))]
