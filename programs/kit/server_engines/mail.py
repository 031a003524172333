"""The mail catcher: an SMTP server and a web page in one process of Eph's own, in the environment's sandbox.

It accepts any mail without a password, because only the environment reaches it.
"""

from __future__ import annotations

import shlex
import socket
from importlib import util
from pathlib import Path

from programs.kit import mail_catcher
from programs.kit.processes import own_python
from programs.kit.server_engines import wording
from programs.kit.server_engines.port import LOOPBACK, ServerCommand, ServerEngine, ServerSettings

_PACKAGE = Path(mail_catcher.__file__).parent
_ROOT = _PACKAGE.parents[2]
"""The folder that contains the package ``programs``."""


def _installed_packages() -> Path:
    """The folder of installed packages that contains the SMTP library."""
    found = util.find_spec("aiosmtpd")
    return Path(found.origin).parents[1] if found and found.origin else _ROOT


def _shown() -> tuple[Path, ...]:
    return (_PACKAGE, _installed_packages(), *own_python.shown())


def _command(program: str, server: ServerSettings) -> ServerCommand:
    words = [program, "-I", "-S", str(_PACKAGE / "main.py"), f"{server.folder}/messages"]
    words += [str(server.port), str(server.web_port), str(_ROOT), str(_installed_packages())]
    return ServerCommand(f"umask 077; exec {shlex.join(words)}")


def _url(server: ServerSettings) -> str:
    return f"smtp://{LOOPBACK}:{server.port}"


def _answers(connection: socket.socket, server: ServerSettings) -> bool:  # noqa: ARG001 - it greets every client
    return connection.recv(3) == b"220"


ENGINE = ServerEngine(
    name="mail",
    title=wording.MAIL_CATCHER,
    program=own_python.PROGRAM,
    package="python3",
    start_seconds=60,
    command=_command,
    url=_url,
    answers=_answers,
    shown=_shown(),
    has_web_page=True,
)
