"""Runs a program that reads files of a repository: for a few seconds, with limited memory and output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 512


@dataclass(frozen=True, slots=True)
class RunLimits:
    """``megabytes`` of address space, which a Go runtime reserves more of than it uses."""

    seconds: int
    megabytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class BoundedResult:
    """``code`` is None if it took too long. ``is_cut``: it would have printed more."""

    out: Path
    err: Path
    code: int | None
    is_cut: bool


def run(
    argv: Sequence[str], folder: Path, limits: RunLimits, env: Mapping[str, str], cwd: Path | None = None
) -> BoundedResult:
    """Its output goes to files in ``folder``. The whole process group is always gone afterwards."""
    bounds = (
        f"ulimit -t {limits.seconds}; ulimit -v {limits.megabytes * 1000}; ulimit -f {limits.output_bytes // _BLOCK}"
    )
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'{bounds}; exec "$@"', "sh", *argv],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        code = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(limits.seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return BoundedResult(out, err, code, out.stat().st_size >= limits.output_bytes // _BLOCK * _BLOCK)
