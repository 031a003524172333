"""A repository's tests, ready to run where its build ran: the same sandbox, the checkout of that very commit.

The checkout is the service's own, with all that the build made in it. What a suite writes there as its report is
written by a stranger's code: it is opened without following any link, and only as a plain file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from programs.kit import files, identifiers
from programs.kit.errors import TargetError
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import Workspace
from programs.kit.sandbox_settings import CommandHost
from programs.spec import EnvironmentSpec, SuiteSpec

LOOPBACK_SUFFIX = ".localhost"


def command_line(settings: CommandHost, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
    folder = settings.env(identifiers.check_label(spec.name, "environment"))
    name = identifiers.check_label(suite.name, "suite")
    place = Workspace(_checkout(folder, spec), folder / "home", _hosts(folder, spec))
    launch = sandbox.sandboxed(settings, place, suite.command.run, {**spec.env, **suite.env, **env})
    return sandbox.write_launch_file(folder / "run" / f"tests-{name}.json", launch)


def read_report(settings: CommandHost, spec: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
    folder = settings.env(identifiers.check_label(spec.name, "environment"))
    try:
        with _open_regular_file(_checkout(folder, spec), suite.junit) as file:
            return os.read(file, max_bytes + 1) if file >= 0 else None
    except (OSError, TargetError):
        return None


def _checkout(folder: Path, spec: EnvironmentSpec) -> Path:
    """Of that commit. Its generation may be another than this version would make, until the next update."""
    commit = identifiers.check_commit(spec.source.commit)
    found = sorted((folder / "src").glob(f"{commit[:12]}-*"))
    if not found:
        raise TargetError(f"there is no checkout of commit {commit[:7]} for tests to run in")
    return found[-1]


def _hosts(folder: Path, spec: EnvironmentSpec) -> Path | None:
    """Names under .localhost mean this machine, and not every program knows it without being told."""
    names = [identifiers.service_host(spec, item.name) for item in spec.services if item.public] or [spec.host]
    local = [name for name in names if name.endswith(LOOPBACK_SUFFIX)]
    if not local:
        return None
    own = Path("/etc/hosts")
    known = own.read_text(errors="replace") if own.exists() else "127.0.0.1 localhost\n"
    path = folder / "run" / "hosts"
    files.write(path, f"{known.rstrip()}\n127.0.0.1 {' '.join(local)}\n", mode=0o644)
    return path


@contextlib.contextmanager
def _open_regular_file(top: Path, path: str) -> Iterator[int]:
    """A descriptor of a plain file below ``top``, with no link on the way; -1 when it is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open(top, flags | os.O_DIRECTORY)
    try:
        *folders, last = [part for part in path.split("/") if part not in ("", ".")]
        for name in folders:
            deeper = os.open(name, flags | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = deeper
        file = os.open(last, flags | os.O_NONBLOCK, dir_fd=here)
    finally:
        os.close(here)
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else -1
    finally:
        os.close(file)
