"""Looking into folders that others are at work in: what goes while one looks is no error, as it is with pathlib."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def all_files(folder: Path) -> Iterator[Path]:
    """All files, however deep; os.walk fails on folders nested more than about 1,000 levels deep."""
    pending = [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    pending.extend([] if entry.is_symlink() else [Path(entry.path)])
                else:
                    yield Path(entry.path)
