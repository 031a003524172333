"""How much memory a repository's builds need: the peak of its recent builds, measured while they run."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from programs.kit import files, machine_memory
from programs.kit.host_settings import MEGABYTE, HostSettings

DEFAULT = 512 * MEGABYTE
"""The estimate for a repository without a measured build."""
MINIMUM = 64 * MEGABYTE
"""A build that ended before anyone looked doesn't promise that the next one is small."""
KEPT = 5
INTERVAL = 0.5


def estimate(settings: HostSettings, repository: str) -> int:
    """In bytes; at most what an environment may use."""
    peaks = _read(_file(settings, repository)) if repository else []
    return min(max(MINIMUM, *peaks) if peaks else DEFAULT, settings.memory_bytes)


def record(settings: HostSettings, repository: str, peak: int) -> None:
    """The largest of the newest few counts."""
    if repository and peak:
        path = _file(settings, repository)
        files.write(path, json.dumps([*_read(path), peak][-KEPT:]))


@contextlib.contextmanager
def measuring(report: Callable[[int], object]) -> Iterator[Callable[[], int]]:
    """Reports what this process's commands use, again and again. Yields what returns the peak."""
    peak = [0]
    ended = threading.Event()

    def measure() -> None:
        while not ended.wait(INTERVAL):
            used = machine_memory.used_by_descendants(os.getpid())
            peak[0] = max(peak[0], used)
            report(used)

    thread = threading.Thread(target=measure, name="build-memory", daemon=True)
    thread.start()
    try:
        yield lambda: peak[0]
    finally:
        ended.set()
        thread.join()


def _file(settings: HostSettings, repository: str) -> Path:
    if not (repository.isascii() and repository.isalnum()):
        raise ValueError(f"{repository!r} can't name a record")
    return files.make_folder(settings.root / "build-memory") / f"{repository}.json"


def _read(path: Path) -> list[int]:
    try:
        return [int(item) for item in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
