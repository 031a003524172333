"""Looking into folders that others are at work in: what goes while one looks is no error, as it is with pathlib."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def all_files(folder: Path) -> Iterator[Path]:
    """All files, however deep."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def nest(root: Path, depth: int) -> None:
    """Creates nested folders. Their full path may be longer than the kernel accepts."""
    root.mkdir()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 20, dir_fd=folder)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
