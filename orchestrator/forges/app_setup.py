"""What `eph setup` asks of a Git host's adapter: to create Eph's account there, and write the settings for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ShowPage = Callable[[str, int], None]
"""Shows the person a page on this machine: its URL and its port."""


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """``owner``: the organisation that owns the account; empty: the person. ``url``: Eph's own, for webhooks; empty:
    none. ``host`` and ``api`` are the Git host's URLs; empty: the usual ones. ``folder``: where files are written."""

    folder: Path
    owner: str = ""
    name: str = ""
    url: str = ""
    host: str = ""
    api: str = ""
    repositories: tuple[str, ...] = ()
    port: int = 0
    seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class SetupResult:
    """``lines``: what exists now, and what to do next."""

    files: tuple[Path, ...]
    lines: tuple[str, ...]


class SetupFailed(Exception):
    """Nothing was written. ``hint``: what to do. ``usage``: an option is invalid."""

    def __init__(self, message: str, hint: str = "", *, usage: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.usage = message, hint, usage
