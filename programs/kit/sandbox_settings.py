"""What the kit needs to check out commits and run their commands on this machine.

A target that keeps environments on this machine needs more (``host_settings``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from programs.kit.errors import TargetError

MEGABYTE = 1024 * 1024
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class CommandHost(Protocol):
    """``toolbox``: additional folders that commands can read. ``path``: their PATH. ``checkout_bytes``: the maximum
    size of a commit."""

    @property
    def root(self) -> Path: ...

    @property
    def toolbox(self) -> tuple[str, ...]: ...

    @property
    def path(self) -> str: ...

    @property
    def sandbox(self) -> str: ...

    @property
    def checkout_bytes(self) -> int: ...

    def env(self, name: str) -> Path:
        """The folder of an environment."""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """A ``CommandHost`` for a target whose environments run elsewhere."""

    root: Path
    toolbox: tuple[str, ...] = ()
    path: str = DEFAULT_PATH
    sandbox: str = "auto"
    checkout_bytes: int = 512 * MEGABYTE

    @property
    def envs(self) -> Path:
        return self.root / "envs"

    def env(self, name: str) -> Path:
        return self.envs / name


def check_toolbox(toolbox: Iterable[str], *private: Path) -> None:
    """Raises if a folder of the toolbox would expose one of these to previews."""
    for item in toolbox:
        shown = Path(item).absolute()
        for kept in private:
            if kept.is_relative_to(shown) or shown.is_relative_to(kept):
                raise TargetError(
                    f"Setting 'toolbox' would expose {kept} to previews through {item}. Use a narrower folder."
                )
