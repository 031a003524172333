"""The two ways to install a Pulumi CLI: a verified download of its release, and a build from its Go module.

Both fill ``FOLDER/bin`` and raise ``SourceUnavailable`` with a short reason. Both have a deadline, so neither a network
that drops packets nor a stuck compiler blocks us. A build runs as a child in its own process group, so that Ctrl-C ends
everything.
"""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stacks.toolchain import downloads, wording

Progress = Callable[[str], None]

DOWNLOAD_DEADLINE = 300.0
BUILD_DEADLINE = 3600.0
PROGRESS_INTERVAL = 10.0

PYTHON_PLUGIN = "pulumi-resource-pulumi-python"

# Our own script, not the SDK's: that one first looks for a project's virtual environment, which Eph's programs don't
# have. PULUMI_PYTHON_CMD is the interpreter with Eph's packages. If a worker has a warm provider waiting, its port is
# all that Pulumi needs. The script then stays until Pulumi ends it, or its pipe closes.
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
    """No Pulumi CLI can be installed this way on this machine; the message says why."""


def plugin_folder(cache: Path) -> Path:
    """A folder with the plugin for dynamic providers, created if necessary. Each version of Eph has its own."""
    place = cache / "plugins" / hashlib.sha256(_PLUGIN_SCRIPT.encode()).hexdigest()[:12] / PYTHON_PLUGIN
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}-{os.getpid()}")
        new.write_text(_PLUGIN_SCRIPT)
        new.chmod(0o755)
        new.replace(place)
    return place.parent


def download(folder: Path, version: str, progress: Progress) -> None:
    archive = downloads.cli_archive(version)
    progress(wording.downloading(f"pulumi {version}", archive))
    _download_programs(downloads.cli_address(), archive, folder / "bin")
    if not (folder / "bin" / "pulumi").is_file():
        raise SourceUnavailable(wording.missing_from_archive(archive, "pulumi"))


def build(folder: Path, version: str, progress: Progress) -> None:
    title = f"pulumi {version}"
    progress(wording.building(title, wording.CLI_BUILD))
    _run_build_script("pulumi/build.sh", folder / "bin" / "pulumi", _progress_reporter(title, progress))


def download_plugin(folder: Path, name: str, version: str, progress: Progress) -> None:
    """Only the binary is kept. ``pulumi plugin install --checksum`` isn't used: it compares before its last block."""
    archive = downloads.plugin_archive(name, version)
    progress(wording.downloading(wording.plugin(name, version), archive))
    _download_programs(downloads.plugin_address(), archive, folder)
    binary = f"pulumi-resource-{name}"
    for other in [path for path in folder.iterdir() if path.name != binary]:
        other.unlink()
    if not (folder / binary).is_file():
        raise SourceUnavailable(wording.missing_from_archive(archive, binary))


def _download_programs(address: str, archive: str, folder: Path) -> None:
    try:
        file = downloads.fetch(address, archive, folder, DOWNLOAD_DEADLINE)
        downloads.unpack_programs(file, folder)
        file.unlink()
    except (downloads.DownloadRefused, OSError, EOFError, tarfile.TarError) as why:
        raise SourceUnavailable(f"{type(why).__name__}: {why}") from why


def build_plugin(folder: Path, name: str, version: str, progress: Progress) -> None:
    title = wording.plugin(name, version)
    progress(wording.building(title, wording.PLUGIN_BUILD))
    binary = folder / f"pulumi-resource-{name}"
    _run_build_script(f"{name}-plugin/build.sh", binary, _progress_reporter(title, progress))


def build_tool(source: ToolSource, folder: Path, name: str, version: str, progress: Progress) -> None:
    progress(wording.building(f"{name} {version}", source.duration))
    _run_build_script(source.script, folder / name, _progress_reporter(f"{name} {version}", progress))


def _run_build_script(script_name: str, binary: Path, on_output: Callable[[list[str]], None]) -> None:
    script = Path(__file__).parents[2] / "infra" / "toolchain" / script_name
    if not script.is_file():
        raise SourceUnavailable(wording.NO_SOURCES)
    if shutil.which("go") is None:
        raise SourceUnavailable(wording.NO_GO)
    output = _run([str(script), str(binary)], BUILD_DEADLINE, on_output)
    if not binary.is_file():
        raise SourceUnavailable(wording.build_failed(_tail(output)))


def _progress_reporter(title: str, progress: Progress) -> Callable[[list[str]], None]:
    """Go prints each module that it downloads and each package that it compiles: their number is the progress."""
    started = reported_at = time.monotonic()

    def show(output: list[str]) -> None:
        nonlocal reported_at
        if (now := time.monotonic()) - reported_at >= PROGRESS_INTERVAL:
            reported_at = now
            last = output[-1][:60] if output else wording.READING_MODULES
            progress(wording.build_progress(title, now - started, len(output), last))

    return show


def _tail(lines: list[str]) -> str:
    """The last lines of the output: enough to act on, short enough for one message."""
    printed = [line for line in lines if line.strip()]
    return " | ".join(printed[-4:])[-600:]


def _run(command: list[str], deadline: float, on_output: Callable[[list[str]], None], **extra_env: str) -> list[str]:
    """Returns the command's output. ``on_output`` gets all of it so far, about once a second."""
    until, output = time.monotonic() + deadline, list[str]()
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
        raise SourceUnavailable(wording.cannot_start(command[0], why.strerror)) from why
    try:
        for line in _read_lines(child, until):
            if line is not None:
                output.append(line)
            on_output(output)
        child.wait(max(1.0, until - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise SourceUnavailable(wording.not_finished(deadline)) from None
    finally:
        _terminate(child)
    return output


def _read_lines(child: subprocess.Popen[bytes], deadline: float) -> Iterator[str | None]:
    """Yields lines as they arrive, and None about once a second while there are none."""
    if child.stdout is None:
        raise ValueError("the command was started without a pipe for its output")
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
    """Kills the whole group, including the compiler's children, also after an interrupt."""
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
