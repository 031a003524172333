"""Compares text that people read with a file. ``EPH_SNAPSHOTS=write pytest …`` rewrites the files; read the diff."""

from __future__ import annotations

import os
from pathlib import Path


def assert_matches(path: Path, text: str) -> None:
    if os.environ.get("EPH_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
