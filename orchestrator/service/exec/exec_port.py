"""Commands that people run inside environments: what happens in a session, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class ExecSessionNotFound(LookupError):
    """No session with that ID of this caller is running."""


@dataclass(frozen=True, slots=True)
class ExecStarted:
    """``session`` accepts input until the command ends."""

    session: str


@dataclass(frozen=True, slots=True)
class ExecOutput:
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class ExecEnded:
    """``code`` is None if the command was stopped because it ran for too long."""

    code: int | None


ExecEvent = ExecStarted | ExecOutput | ExecEnded
