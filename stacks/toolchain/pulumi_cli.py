"""Finds or installs a compatible Pulumi CLI.

The CLI and the SDK are released together, so the pinned SDK determines which CLI is compatible: the same release, or a
newer one of the same major version. Four ways are tried in this order, and the first that works is used:

1. ``path``      a compatible ``pulumi`` on PATH;

2. ``cache``     the one that an earlier call left in Eph's cache;

3. ``download``  the release's archive, if its SHA-256 is the pinned one;

4. ``build``     from its Go module, for machines that can reach a Go proxy but not Pulumi's site.

``find`` only looks (1, 2) and is quick; ``ensure`` may take minutes and reports progress. It installs into a cache
outside the tree, under a lock, and moves the result into place with one rename: two concurrent calls install it once,
and an interrupted install is never used. If nothing works, one message says what was tried and why each way failed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TextIO

from stacks.toolchain import installers as sources
from stacks.toolchain import wording
from stacks.toolchain.installers import SourceUnavailable

Progress = Callable[[str], None]

VERSION = metadata.version("pulumi")
"""The Pulumi version: that of the installed SDK. A test checks that go.mod, pyproject and the locks agree."""

WAYS = ("path", "cache", "download", "build")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """``path``: what to put in front of PATH, one or more folders in PATH's format."""

    pulumi: Path
    version: str
    path: str
    source: str


class ToolchainNotFound(RuntimeError):
    """No compatible Pulumi CLI; the message lists every way that was tried, why it failed, and what to do."""


def cache_folder() -> Path:
    """Eph's cache on this machine: ``EPH_CACHE``, or else the user's cache folder."""
    own = os.environ.get("EPH_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(own) if own else Path(shared) / "eph").expanduser().absolute()


def find(cache: Path | None = None) -> Toolchain:
    """The installed Pulumi CLI; downloads and builds nothing. Raises ``ToolchainNotFound``."""
    found, failures = _find_existing(cache or cache_folder())
    if found is None:
        raise ToolchainNotFound(_not_found_message(failures))
    return found


def ensure(progress: Progress, cache: Path | None = None) -> Toolchain:
    """The Pulumi CLI, which is downloaded or built if necessary. Raises ``ToolchainNotFound``."""
    cache = cache or cache_folder()
    found, failures = _find_existing(cache)
    if found is not None:
        return found
    try:
        with exclusive_lock(cache, progress):
            found, failures = _find_existing(cache)  # the process we waited for may have installed it
            return found or _install(cache, failures, progress)
    except OSError as why:
        raise ToolchainNotFound(wording.cache_not_writable(cache, why.strerror)) from why


def _find_existing(cache: Path) -> tuple[Toolchain | None, dict[str, str]]:
    failures = {way: wording.WAY_NOT_ALLOWED for way in WAYS if way not in allowed_ways()}
    if "path" in allowed_ways():
        try:
            return _on_path(cache), failures
        except SourceUnavailable as why:
            failures["path"] = str(why)
    if "cache" in allowed_ways():
        try:
            return _in_cache(cache), failures
        except SourceUnavailable as why:
            failures["cache"] = str(why)
    return None, failures


def allowed_ways() -> frozenset[str]:
    """The ways of getting tools that the operator allows."""
    given = os.environ.get("EPH_TOOLCHAIN_WAYS", "")
    chosen = frozenset(given.replace(",", " ").split()) or frozenset(WAYS)
    if unknown := sorted(chosen - frozenset(WAYS)):
        raise ToolchainNotFound(wording.unknown_ways(", ".join(unknown), ", ".join(WAYS)))
    return chosen


def _on_path(cache: Path) -> Toolchain:
    found = shutil.which("pulumi")
    if found is None:
        raise SourceUnavailable(wording.NO_PULUMI)
    binary = Path(found).absolute()
    version = version_of(binary)
    if why := incompatibility(version, VERSION):
        raise SourceUnavailable(wording.incompatible(binary, version, why))
    return _toolchain(binary, version, cache, "path")


def _in_cache(cache: Path, source: str = "cache") -> Toolchain:
    """The CLI in the cache was tested before it was moved there, so the folder's name is trusted."""
    folder = cache / "pulumi" / VERSION / "bin"
    if not (folder / "pulumi").is_file():
        raise SourceUnavailable(wording.nothing_at(folder))
    return _toolchain(folder / "pulumi", VERSION, cache, source)


def _toolchain(binary: Path, version: str, cache: Path, source: str) -> Toolchain:
    """Our plugin comes first on PATH, whether or not this pulumi includes the SDK's."""
    try:
        plugins = sources.plugin_folder(cache)
    except OSError as why:
        raise SourceUnavailable(wording.cache_not_writable(cache, why.strerror)) from why
    return Toolchain(binary, version, os.pathsep.join([str(plugins), str(binary.parent)]), source)


def version_of(binary: Path) -> str:
    """The output of ``pulumi version``, without the v."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=30, env=env, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as why:
        raise SourceUnavailable(wording.does_not_run(binary, why)) from why
    return done.stdout.strip().removeprefix("v")


def incompatibility(version: str, pinned: str) -> str:
    """Why a CLI of this version isn't compatible with the pinned SDK; empty if it is."""
    ours, theirs = _parse_version(pinned), _parse_version(version)
    if theirs is None or ours is None:
        return wording.NOT_A_VERSION
    if theirs[0] != ours[0]:
        return wording.other_major_version(pinned)
    return wording.older_version(pinned) if theirs < ours else ""


def _parse_version(version: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)\.\d+", version)
    return (int(match[1]), int(match[2])) if match else None


def _install(cache: Path, failures: dict[str, str], progress: Progress) -> Toolchain:
    makers = {"download": sources.download, "build": sources.build}
    for way, make in makers.items():
        if way not in allowed_ways():
            continue
        try:
            _install_with(make, cache, progress)
            return _in_cache(cache, way)
        except SourceUnavailable as why:
            failures[way] = str(why)
            progress(wording.way_failed(f"pulumi {VERSION}", way, str(why).splitlines()[0]))
    raise ToolchainNotFound(_not_found_message(failures))


def _install_with(make: Callable[[Path, str, Progress], None], cache: Path, progress: Progress) -> None:
    """Installs it into a temporary folder, tests it, and moves it into place."""
    home = cache / "pulumi"
    for left in home.glob(".new-*"):  # left by a killed process: we hold the lock, so nobody is using it
        shutil.rmtree(left, ignore_errors=True)
    staging, place = home / f".new-{os.getpid()}", home / VERSION
    try:
        (staging / "bin").mkdir(parents=True)
        make(staging, VERSION, progress)
        installed_version = version_of(staging / "bin" / "pulumi")
        if installed_version != VERSION:
            raise SourceUnavailable(wording.wrong_version_installed(installed_version, VERSION))
        # Pulumi warns at each run if there is another one next to the one that PATH names.
        (staging / "bin" / sources.PYTHON_PLUGIN).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)  # a folder without bin/pulumi, otherwise it would have been found
        staging.rename(place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def exclusive_lock(cache: Path, progress: Progress) -> Iterator[None]:
    """One installer at a time on this machine. The kernel releases the lock when its owner dies."""
    home = cache / "pulumi"
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(wording.waiting_for_installer(VERSION))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _not_found_message(failures: dict[str, str]) -> str:
    return wording.no_pulumi_found(VERSION, failures, WAYS, cache_folder() / "pulumi" / VERSION / "bin")


def main(arguments: Sequence[str] = (), out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Finds or installs the tools and prints where they are; ``--path`` prints only what to put in front of PATH."""
    try:
        found = ensure(lambda line: print(line, file=err, flush=True))
    except ToolchainNotFound as why:
        print(why, file=err)
        return 1
    if "--path" in arguments:
        print(found.path, file=out)
        return 0
    variables = {"pulumi": found.pulumi, "version": found.version, "source": found.source, "PATH": found.path}
    print(*(f"{name:8} {value}" for name, value in variables.items()), sep="\n", file=out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
