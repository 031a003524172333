"""The files in which ``eph`` keeps what it knows about servers, in the user's configuration folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def config_folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "eph"


def read(path: Path) -> dict[str, Any]:
    """Empty if the file is missing or damaged: then ``eph`` works as if nothing had been stored."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def by_server(path: Path) -> dict[str, Any]:
    """What the file contains for each server, by its URL; the latest last."""
    found = read(path).get("servers")
    return found if isinstance(found, dict) else {}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Only the user can read it."""
    from programs.kit import files

    files.write(path, json.dumps(content, indent=2))


def write_by_server(path: Path, servers: Mapping[str, Any]) -> None:
    write(path, {"servers": servers})


def key(url: str) -> str:
    """One server has one entry, with or without a slash at the end of its URL."""
    return url.rstrip("/")
