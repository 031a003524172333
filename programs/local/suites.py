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

from programs.local import files, identifiers, sandbox
from programs.local.errors import LocalError
from programs.local.sandbox import Place
from programs.local.settings import Settings
from programs.spec import EnvironmentSpec, SuiteSpec

LOOPBACK = ".localhost"


def prepare(settings: Settings, spec: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
    folder = settings.env(identifiers.label(spec.name, "environment"))
    name = identifiers.label(suite.name, "suite")
    place = Place(_checkout(folder, spec), folder / "home", _hosts(folder, spec))
    launch = sandbox.wrap(settings, place, suite.command.run, {**spec.env, **suite.env, **env})
    return sandbox.save(folder / "run" / f"tests-{name}.json", launch)


def report(settings: Settings, spec: EnvironmentSpec, suite: SuiteSpec, most: int) -> bytes | None:
    folder = settings.env(identifiers.label(spec.name, "environment"))
    try:
        with _plain(_checkout(folder, spec), suite.junit) as file:
            return os.read(file, most + 1) if file >= 0 else None
    except (OSError, LocalError):
        return None


def _checkout(folder: Path, spec: EnvironmentSpec) -> Path:
    """Of that commit. Its generation may be another than this version would make, until the next update."""
    commit = identifiers.commit(spec.source.commit)
    found = sorted((folder / "src").glob(f"{commit[:12]}-*"))
    if not found:
        raise LocalError(f"there is no checkout of commit {commit[:7]} for tests to run in")
    return found[-1]


def _hosts(folder: Path, spec: EnvironmentSpec) -> Path | None:
    """Names under .localhost mean this machine, and not every program knows it without being told."""
    names = [identifiers.service_host(spec, item.name) for item in spec.services if item.public] or [spec.host]
    local = [name for name in names if name.endswith(LOOPBACK)]
    if not local:
        return None
    own = Path("/etc/hosts")
    known = own.read_text(errors="replace") if own.exists() else "127.0.0.1 localhost\n"
    path = folder / "run" / "hosts"
    files.write(path, f"{known.rstrip()}\n127.0.0.1 {' '.join(local)}\n", mode=0o644)
    return path


@contextlib.contextmanager
def _plain(top: Path, path: str) -> Iterator[int]:
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
