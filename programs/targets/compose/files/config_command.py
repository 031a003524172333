"""Runs ``docker compose config`` on a checkout, in a sandbox: no network, no other files of this machine, no engine.

Compose reads whatever the files name (``env_file``, ``include``, ``extends``, secrets), so it must see nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from programs.kit.errors import CommitFailed, TargetError
from programs.kit.processes import bounded_run, sandbox
from programs.kit.processes.bounded_run import RunLimits
from programs.redaction import Redactor
from programs.targets.compose.engine import clients
from programs.targets.compose.files import wording
from programs.targets.compose.settings import ComposeHost

INSIDE = "/work"
"""Where the checkout is in the sandbox, and in the paths of the output."""
LIMITS = RunLimits(seconds=30, megabytes=1500, output_bytes=4_000_000)
_TAIL = 8


def normalize(
    host: ComposeHost, checkout: Path, files: Sequence[str], profiles: Sequence[str], env: Mapping[str, str]
) -> dict[str, Any]:
    """The project as Compose understands it. ``env``: what ``${NAME}`` in the files is replaced with."""
    program = clients.find_compose(host)
    sandbox.kind(host)
    words = ["--project-name", "eph", *(word for path in files for word in ("--file", f"{INSIDE}/{path}"))]
    words += [word for name in profiles for word in ("--profile", name)]
    argv = [*_sandboxed(program, checkout), *words, "config", "--format", "json"]
    with tempfile.TemporaryDirectory(prefix="eph-compose-") as place:
        text, error = _run(argv, env, Path(place))
    if error:
        lines = [Redactor(env.values())(line.replace(f"{INSIDE}/", "")) for line in error]
        raise CommitFailed(wording.compose_cannot_read(lines[-1][:500]), lines)
    return _parse(text)


def _sandboxed(program: str, checkout: Path) -> list[str]:
    words = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - a private mount
    words += ["--ro-bind", str(Path(program).resolve()), "/docker-compose", "--ro-bind", str(checkout), INSIDE]
    return [*words, "--chdir", INSIDE, "/docker-compose"]


def _run(argv: Sequence[str], env: Mapping[str, str], folder: Path) -> tuple[str, list[str]]:
    """The output, or the last lines of the error. ``env`` is for inside: bubblewrap itself starts without it."""
    variables = folder / "variables"
    inside = {"PATH": os.defpath, "HOME": "/nonexistent", **env}
    variables.write_bytes(b"".join(f"--setenv\0{key}\0{value}\0".encode() for key, value in inside.items()))
    words = ["/bin/sh", "-c", 'exec "$@" 9<"$0"', str(variables), argv[0], "--args", "9", *argv[1:]]
    done = bounded_run.run(words, folder, LIMITS, sandbox.launcher_env())
    if done.code is None:
        raise TargetError(wording.compose_too_slow(LIMITS.seconds))
    if done.is_cut:
        raise CommitFailed(wording.becomes_too_large(LIMITS.output_bytes))
    found = done.err.read_bytes()[-4000:].decode(errors="replace").splitlines()
    lines = [line[:500] for line in found if line.strip()][-_TAIL:]
    text = done.out.read_text(errors="replace")
    return text, (lines or [wording.NO_ERROR_MESSAGE]) if done.code else []


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TargetError(wording.NOT_JSON) from error
    return dict(found)
