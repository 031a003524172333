"""The two ways to bring a Pulumi CLI onto a machine: Pulumi's own download, and a build from its Go module.

Both fill ``FOLDER/bin`` and raise ``SourceUnavailable`` with the reason in a few words. Both run as a child in a
process group of its own with a deadline, so that neither a network that swallows packets nor a stuck compiler holds us
up, and a Ctrl-C ends all of it.
"""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str], None]

DOWNLOAD_DEADLINE = 300.0
BUILD_DEADLINE = 3600.0
PROGRESS_INTERVAL = 10.0

# Pulumi's installer is first one small file, then an archive. An answer to a connection must come within five
# seconds, or there is no way out to Pulumi's site from here; only then is the archive given its minutes.
_INSTALL_SCRIPT = """
import socket, sys
socket.setdefaulttimeout(5)
from semver import VersionInfo
from pulumi.automation import PulumiCommand
try:
    PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
except Exception as why:
    output = getattr(why, "output", None) or b""
    sys.exit(f"{type(why).__name__}: {why} {output.decode(errors='replace')[-500:]}".strip())
"""

PYTHON_PLUGIN = "pulumi-resource-pulumi-python"

# Ours, not the SDK's script: that one first looks for a virtual environment of a project, and Eph's programs have
# none. PULUMI_PYTHON_CMD is the interpreter that has Eph's packages. Where a worker has a warm provider waiting, its
# port is all that Pulumi needs; the script then stays until Pulumi ends it, or is gone itself and its pipe closes.
_PLUGIN_SCRIPT = """#!/bin/sh
if [ -n "${EPH_DYNAMIC_PROVIDER_PORT:-}" ]; then
  echo "$EPH_DYNAMIC_PROVIDER_PORT"
  exec cat
fi
exec "${PULUMI_PYTHON_CMD:-python3}" -u -m pulumi.dynamic "$@"
"""


@dataclass(frozen=True, slots=True)
class ToolSource:
    """A program that is built from a Go module: the script in infra/toolchain, and how long it takes."""

    version: str
    script: str
    duration: str


class SourceUnavailable(RuntimeError):
    """This way gives no Pulumi CLI on this machine; the message says why."""


def plugin_folder(cache: Path) -> Path:
    """A folder with the plugin for dynamic providers, made if need be; another version of Eph has another folder."""
    place = cache / "plugins" / hashlib.sha256(_PLUGIN_SCRIPT.encode()).hexdigest()[:12] / PYTHON_PLUGIN
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}-{os.getpid()}")
        new.write_text(_PLUGIN_SCRIPT)
        new.chmod(0o755)
        new.replace(place)
    return place.parent


def download(folder: Path, version: str, progress: Progress) -> None:
    progress(f"pulumi {version}: asking Pulumi's site")
    said = _run([sys.executable, "-c", _INSTALL_SCRIPT, str(folder), version], DOWNLOAD_DEADLINE, lambda _: None)
    if not (folder / "bin" / "pulumi").is_file():
        raise SourceUnavailable(_tail(said) or "the installer left no pulumi")


def build(folder: Path, version: str, progress: Progress) -> None:
    progress(f"pulumi {version}: building from its Go module; 5 to 10 minutes the first time on two cores")
    _run_build_script("pulumi/build.sh", folder / "bin" / "pulumi", _progress_reporter(f"pulumi {version}", progress))


def download_plugin(folder: Path, name: str, version: str, progress: Progress) -> None:
    """By Pulumi's own installer, into a home that is thrown away; only the binary is kept, at the folder's top."""
    progress(f"plugin {name} {version}: asking Pulumi's site")
    home = folder / "home"
    command = ["pulumi", "plugin", "install", "resource", name, version, "--non-interactive"]
    said = _run(command, DOWNLOAD_DEADLINE, lambda _: None, PULUMI_HOME=str(home), PULUMI_SKIP_UPDATE_CHECK="1")
    found = next(home.glob(f"plugins/*/pulumi-resource-{name}"), None)
    if found is None:
        raise SourceUnavailable(_tail(said) or "the installer left no plugin")
    found.rename(folder / found.name)
    shutil.rmtree(home)


def build_plugin(folder: Path, name: str, version: str, progress: Progress) -> None:
    progress(f"plugin {name} {version}: building from its Go module; 10 to 20 minutes the first time on two cores")
    binary = folder / f"pulumi-resource-{name}"
    _run_build_script(f"{name}-plugin/build.sh", binary, _progress_reporter(f"plugin {name} {version}", progress))


def build_tool(source: ToolSource, folder: Path, name: str, version: str, progress: Progress) -> None:
    progress(f"{name} {version}: building from its Go module; {source.duration} the first time on two cores")
    _run_build_script(source.script, folder / name, _progress_reporter(f"{name} {version}", progress))


def _run_build_script(script_name: str, binary: Path, on_output: Callable[[list[str]], None]) -> None:
    script = Path(__file__).parents[2] / "infra" / "toolchain" / script_name
    if not script.is_file():
        raise SourceUnavailable("the Go module files come with a checkout of Eph, and this is an installed package")
    if shutil.which("go") is None:
        raise SourceUnavailable("no go on PATH (Go 1.26 or newer, or 1.21 and newer where it may fetch its successor)")
    said = _run([str(script), str(binary)], BUILD_DEADLINE, on_output)
    if not binary.is_file():
        raise SourceUnavailable(f"go build failed: {_tail(said)}")


def _progress_reporter(what: str, progress: Progress) -> Callable[[list[str]], None]:
    """Go names each module that it fetched and each package that it compiled: their count is the progress."""
    started = told = time.monotonic()

    def tell(said: list[str]) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= PROGRESS_INTERVAL:
            told = now
            last = said[-1][:60] if said else "reading modules"
            progress(f"{what}: {now - started:.0f} s, {len(said)} steps done, last: {last}")

    return tell


def _tail(lines: list[str]) -> str:
    """The last words of why: enough to act on, short enough for one message."""
    told = [line for line in lines if line.strip()]
    return " | ".join(told[-4:])[-600:]


def _run(command: list[str], deadline: float, on_output: Callable[[list[str]], None], **extra_env: str) -> list[str]:
    """What the command printed. ``on_output`` gets all of it so far, about once a second."""
    until, said = time.monotonic() + deadline, list[str]()
    try:
        child = subprocess.Popen(
            command,
            env={**os.environ, **extra_env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as why:
        raise SourceUnavailable(f"{command[0]} cannot be started: {why.strerror}") from why
    try:
        for line in _read_lines(child, until):
            if line is not None:
                said.append(line)
            on_output(said)
        child.wait(max(1.0, until - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise SourceUnavailable(f"not done within {deadline:.0f} s") from None
    finally:
        _terminate(child)
    return said


def _read_lines(child: subprocess.Popen[bytes], deadline: float) -> Iterator[str | None]:
    """Lines as they come, None about once a second while there is none."""
    assert child.stdout is not None  # noqa: S101 - for the type checker: _run asked for it
    pipe, rest, block = child.stdout.fileno(), b"", b"-"
    while block:
        if time.monotonic() > deadline:
            raise TimeoutError
        if not select.select([pipe], [], [], 1.0)[0]:
            yield None
            continue
        block = os.read(pipe, 65536)
        *whole, rest = (rest + block).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def _terminate(child: subprocess.Popen[bytes]) -> None:
    """Ends the whole group: the compiler's children too, also when we were interrupted."""
    try:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(5)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
    finally:
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
