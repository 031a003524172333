"""Runs Docker Compose and the docker client with arguments of ours and a fixed environment, until a deadline."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from programs.kit.errors import TargetError
from programs.kit.waiting import pause
from programs.redaction import Redactor
from programs.targets.compose import wording
from programs.targets.compose.settings import ComposeHost

COMPOSE = "docker-compose"
DOCKER = "docker"
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
TAIL_LINES = 40
TAIL_BYTES = 64 * 1024
MAX_LINE_LENGTH = 2000
POLL_SECONDS = 0.05


class ClientFailed(TargetError):
    """The program failed or took too long; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class ClientRun:
    """``title`` is what it does, for people. ``secret_values`` are redacted from its output."""

    title: str
    argv: Sequence[str]
    seconds: float
    secret_values: Sequence[str] = ()
    stdin: bytes = b""


def find_compose(host: ComposeHost) -> str:
    """Docker Compose 2 or later, which also runs without the docker client."""
    folders = [*PLUGIN_FOLDERS, *([f"{os.environ['HOME']}/.docker/cli-plugins"] if os.environ.get("HOME") else [])]
    search = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    found = shutil.which(host.compose or COMPOSE, path=search)
    if found is None:
        raise TargetError(wording.COMPOSE_MISSING)
    return found


def find_docker(host: ComposeHost) -> str:
    found = shutil.which(host.docker or DOCKER)
    if found is None:
        raise TargetError(wording.DOCKER_MISSING)
    return found


def environment(host: ComposeHost) -> dict[str, str]:
    """Nothing of the repository, and nothing of ours but the engine."""
    fixed = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "DOCKER_HOST": f"unix://{host.socket}",
        "DOCKER_BUILDKIT": "0",
        "LANG": "C.UTF-8",
    }
    return {**fixed, "DOCKER_CONFIG": host.docker_config} if host.docker_config else fixed


def run(host: ComposeHost, command: ClientRun) -> None:
    """Raises ``ClientFailed``. The whole process group is always gone afterwards."""
    with tempfile.TemporaryFile() as output:
        reason = _execute(command, environment(host), output)
        if reason:
            raise ClientFailed(f"{command.title} {reason}", _tail(output, Redactor(command.secret_values)))


def _execute(command: ClientRun, env: dict[str, str], output: IO[bytes]) -> str:
    started = time.monotonic()
    with tempfile.TemporaryFile() as stdin:
        stdin.write(command.stdin)
        stdin.seek(0)
        process = subprocess.Popen(
            list(command.argv), env=env, stdin=stdin, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while process.poll() is None:
            if time.monotonic() - started > command.seconds:
                return wording.took_longer(command.seconds)
            pause(POLL_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return wording.failed_with(process.returncode) if process.returncode else ""


def _tail(output: IO[bytes], redactor: Redactor) -> list[str]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - TAIL_BYTES))
    lines = [line.rstrip() for line in output.read().decode(errors="replace").splitlines()]
    return [redactor(line[: 2 * MAX_LINE_LENGTH])[:MAX_LINE_LENGTH] for line in lines if line][-TAIL_LINES:]


def compose_argv(host: ComposeHost, name: str, file: Path) -> list[str]:
    """The common arguments for a project."""
    return [find_compose(host), "--project-name", name, "--file", str(file), "--progress", "plain"]
