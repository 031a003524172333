"""What a repository's files say about its app, and how to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs.spec import DEFAULT_TARGET

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class DetectedService:
    """``health``: the path of the health check; empty for a worker, which listens on no port."""

    name: str
    command: str
    health: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DetectedApp:
    """``reason`` names what in the repository determined it. ``section`` is the section of a target that takes its
    services from the repository's own files."""

    reason: str
    services: tuple[DetectedService, ...] = ()
    build: str = ""
    migrate: str = ""
    database: bool = False
    target: str = DEFAULT_TARGET
    section: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        return self.services[0].command if self.services else ""


def read_text(file: Path) -> str:
    """The start of a file; empty if it can't be read."""
    try:
        with file.open(errors="replace") as opened:
            return opened.read(MAX_BYTES)
    except OSError:
        return ""


def read_json(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(read_text(file) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def mapping_of(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}
