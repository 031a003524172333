"""Looking into folders that others are at work in: what goes while one looks is no error, as it is with pathlib."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def all_files(folder: Path) -> Iterator[Path]:
    """All files, however deep."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
