"""A Pulumi CLI of a fit version on this machine, wherever it comes from.

The CLI and the SDK are one product in two parts, so the pinned SDK says which CLI is fit: the same release, or a
newer one of the same major version. Four ways are tried in this order, and the first that works is used:

1. ``path``      a fit ``pulumi`` that the machine already has;
2. ``cache``     the one that an earlier call left in Eph's cache;
3. ``download``  Pulumi's own installer, by the Automation API;
4. ``build``     from its Go module, for machines that reach a Go proxy but not Pulumi's site.

``find`` only looks (1, 2) and is quick; ``ensure`` may take minutes and says how far it is. What it makes goes
into a cache outside the tree, under a lock, and is put in place by one rename: two that start at once make it once,
and what was interrupted is never taken for whole. When nothing works, one message says what was tried and why each
way failed.
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
from stacks.toolchain.installers import SourceUnavailable

Progress = Callable[[str], None]

VERSION = metadata.version("pulumi")
"""The one place that says which Pulumi: the SDK that is installed. go.mod, pyproject and the locks agree by a test."""

WAYS = ("path", "cache", "download", "build")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """``path``: what to put in front of PATH, one or more folders joined as PATH joins them."""

    pulumi: Path
    version: str
    path: str
    source: str


class ToolchainNotFound(RuntimeError):
    """No fit Pulumi CLI; the message lists every way that was tried, why it failed, and what to do."""


def cache_folder() -> Path:
    """Where Eph keeps what it makes for this machine: ``EPH_CACHE``, else the user's cache folder."""
    own = os.environ.get("EPH_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(own) if own else Path(shared) / "eph").expanduser().absolute()


def find(cache: Path | None = None) -> Toolchain:
    """The Pulumi CLI that is there; downloads and builds nothing. Raises ``NoToolchain``."""
    found, failures = _find_existing(cache or cache_folder())
    if found is None:
        raise ToolchainNotFound(_not_found_message(failures))
    return found


def ensure(progress: Progress, cache: Path | None = None) -> Toolchain:
    """The Pulumi CLI that is there, or one that is downloaded or built now. Raises ``NoToolchain``."""
    cache = cache or cache_folder()
    found, failures = _find_existing(cache)
    if found is not None:
        return found
    try:
        with exclusive_lock(cache, progress):
            found, failures = _find_existing(cache)  # the one we waited for may have made it
            return found or _install(cache, failures, progress)
    except OSError as why:
        raise ToolchainNotFound(f"{cache}: {why.strerror}; set EPH_CACHE to a folder that can be written") from why


def _find_existing(cache: Path) -> tuple[Toolchain | None, dict[str, str]]:
    failures = {way: "not allowed by EPH_TOOLCHAIN_WAYS" for way in WAYS if way not in allowed_ways()}
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
    """The ways that the operator lets tools come by."""
    given = os.environ.get("EPH_TOOLCHAIN_WAYS", "")
    chosen = frozenset(given.replace(",", " ").split()) or frozenset(WAYS)
    if unknown := sorted(chosen - frozenset(WAYS)):
        raise ToolchainNotFound(f"EPH_TOOLCHAIN_WAYS names {', '.join(unknown)}; the ways there are: {', '.join(WAYS)}")
    return chosen


def _on_path(cache: Path) -> Toolchain:
    found = shutil.which("pulumi")
    if found is None:
        raise SourceUnavailable("no pulumi on PATH")
    binary = Path(found).absolute()
    version = version_of(binary)
    if why := incompatibility(version, VERSION):
        raise SourceUnavailable(f"{binary} is {version}: {why}")
    return _toolchain(binary, version, cache, "path")


def _in_cache(cache: Path, source: str = "cache") -> Toolchain:
    """What lies in the cache was tried before it was put there, so its folder's name is believed."""
    folder = cache / "pulumi" / VERSION / "bin"
    if not (folder / "pulumi").is_file():
        raise SourceUnavailable(f"nothing at {folder}")
    return _toolchain(folder / "pulumi", VERSION, cache, source)


def _toolchain(binary: Path, version: str, cache: Path, source: str) -> Toolchain:
    """Our plugin comes first on PATH, whether or not this pulumi brought the SDK's."""
    try:
        plugins = sources.plugin_folder(cache)
    except OSError as why:
        raise SourceUnavailable(f"{cache}: {why.strerror}; set EPH_CACHE to a folder that can be written") from why
    return Toolchain(binary, version, os.pathsep.join([str(plugins), str(binary.parent)]), source)


def version_of(binary: Path) -> str:
    """What ``pulumi version`` says, without its v."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=30, env=env, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as why:
        raise SourceUnavailable(f"{binary} does not run: {why}") from why
    return done.stdout.strip().removeprefix("v")


def incompatibility(version: str, pinned: str) -> str:
    """Why a CLI of this version can't serve the pinned SDK; empty when it can."""
    ours, theirs = _parse_version(pinned), _parse_version(version)
    if theirs is None or ours is None:
        return "not a version"
    if theirs[0] != ours[0]:
        return f"another major version than the SDK's {pinned}"
    return f"older than the SDK's {pinned}" if theirs < ours else ""


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
            progress(f"pulumi {VERSION}: {way} did not work: {str(why).splitlines()[0]}")
    raise ToolchainNotFound(_not_found_message(failures))


def _install_with(make: Callable[[Path, str, Progress], None], cache: Path, progress: Progress) -> None:
    """Makes it in a folder of its own beside the place, tries it, and moves it there whole."""
    home = cache / "pulumi"
    for left in home.glob(".new-*"):  # of one that was killed: we hold the lock, so nobody is at work there
        shutil.rmtree(left, ignore_errors=True)
    staging, place = home / f".new-{os.getpid()}", home / VERSION
    try:
        (staging / "bin").mkdir(parents=True)
        make(staging, VERSION, progress)
        made = version_of(staging / "bin" / "pulumi")
        if made != VERSION:
            raise SourceUnavailable(f"what came is {made}, not {VERSION}")
        # Pulumi warns at each run when another stands beside it than the one that PATH names.
        (staging / "bin" / sources.PYTHON_PLUGIN).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)  # a place without bin/pulumi, or _look had found it
        staging.rename(place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def exclusive_lock(cache: Path, progress: Progress) -> Iterator[None]:
    """One maker at a time on this machine. The kernel frees the lock when its owner dies, however it dies."""
    home = cache / "pulumi"
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another process is making pulumi {VERSION}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _not_found_message(failures: dict[str, str]) -> str:
    tried = [f"  {way}: {failures.get(way, 'not tried')}" for way in WAYS]
    return "\n".join(
        [
            f"There is no Pulumi CLI that fits the SDK ({VERSION} or a newer {VERSION.split('.')[0]}.x). Tried:",
            *tried,
            "What to do, one of:",
            "  run `make toolchain` in a checkout of Eph: it downloads or builds one;",
            f"  install Pulumi {VERSION} yourself and put it on PATH;",
            f"  put a pulumi {VERSION} into {cache_folder() / 'pulumi' / VERSION / 'bin'}.",
        ]
    )


def main(arguments: Sequence[str] = (), out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Finds or makes the tools and says where they are; ``--path`` says only what to put in front of PATH."""
    try:
        found = ensure(lambda line: print(line, file=err, flush=True))
    except ToolchainNotFound as why:
        print(why, file=err)
        return 1
    if "--path" in arguments:
        print(found.path, file=out)
        return 0
    told = {"pulumi": found.pulumi, "version": found.version, "source": found.source, "PATH": found.path}
    print(*(f"{name:8} {value}" for name, value in told.items()), sep="\n", file=out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
