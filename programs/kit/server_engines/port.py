"""What an engine brings: its program, how it is started, how its clients reach it, and how to tell that it is ready."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Servers are often in folders that aren't on the PATH of an ordinary user."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """``name`` is the database's in eph.yaml. ``folder`` is the server's own. ``memory_bytes`` bounds its data or its
    caches. ``web_port`` is where its web page listens, if it has one. ``host`` is where clients reach it; on any other
    host than the loopback, it listens on all addresses."""

    name: str
    folder: str
    port: int
    memory_bytes: int
    password: str = field(repr=False)
    web_port: int = 0
    host: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """A shell command, and variables with what must not be on a command line."""

    script: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ServerEngine:
    """``program`` is the server's executable and ``package`` the one of Debian that contains it. ``start_seconds``: how
    long it may take to be ready. ``answers`` asks a server on a connected socket, and raises OSError if the answer
    doesn't come. ``shown`` are folders that it reads besides the system's."""

    name: str
    title: str
    program: str
    package: str
    start_seconds: float
    command: Callable[[str, ServerSettings], ServerCommand]
    url: Callable[[ServerSettings], str]
    answers: Callable[[socket.socket, ServerSettings], bool]
    shown: tuple[Path, ...] = ()
    has_web_page: bool = False

    def find_program(self) -> str | None:
        """The path of the executable on this machine."""
        return shutil.which(self.program, path=_SYSTEM_PATH)
