"""Renders the repository's Helm charts with helm; the output is checked like any other manifest.

A chart is a small program written by the author of the pull request: templates can loop, but can't reach anything. It
gets a copy of its folder and nothing else: no network, no cluster (``lookup`` finds nothing), no plugins, no other
files of this machine, a few seconds and a few megabytes. Dependencies must be in its ``charts`` folder; nothing is
fetched. The output goes through the same steps as all manifests: the allowlist and pinned images.

Where bubblewrap can't create its namespaces, as in most pods, what remains is helm's promise that ``template`` contacts
nobody, an environment without anything of ours, and the limits.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from programs.kit.processes import sandbox
from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import manifest_reader
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease, Manifest

MAX_FILES = 1000
MAX_BYTES = 5_000_000
SECONDS = 30
MOST_OUTPUT = 4_000_000
_KILOBYTES = 4_000_000
"""Address space: helm's runtime reserves much more than it uses."""
_SOURCE_COMMENT = re.compile(r"^---\n# Source: [^/\n]*/(.*)\n", re.M)
_TAIL = 8


def render(files: CommitFiles, folder: str, release: ChartRelease) -> list[Manifest]:
    binary = shutil.which(release.helm or "helm")
    if binary is None:
        raise KubernetesError(
            f"{folder} is a Helm chart, but helm isn't installed on this server. Install it on PATH, set "
            "kubernetes.helm, or commit the rendered chart"
        )
    with tempfile.TemporaryDirectory(prefix="eph-chart-") as place:
        words = _write_chart(files, folder, release, Path(place))
        text = _run([binary, "template", release.name, "chart", *words], Path(place), folder)
    return _objects(folder, text)


def _write_chart(files: CommitFiles, folder: str, release: ChartRelease, work_folder: Path) -> list[str]:
    """Writes the chart's files as they are in the commit, and the values files."""
    listed = files.list_tree(folder)
    if len(listed) > MAX_FILES:
        raise KubernetesError(f"{folder} has {len(listed)} files; the limit for a chart is {MAX_FILES}")
    room = MAX_BYTES
    for path in listed:
        content = files.read_bytes(posixpath.join(folder, path))
        room -= len(content)
        if room < 0:
            raise KubernetesError(f"{folder} exceeds the limit for a chart of {MAX_BYTES} bytes")
        _write(work_folder / "chart" / path, content)
    words = ["--namespace", release.name, "--skip-tests"]
    for index, path in enumerate(release.values_files):
        manifest_reader.documents(path, files.read_text(path))  # helm reports a mistake in it with its line
        _write(work_folder / f"values-{index}.yaml", files.read_bytes(path))
        words += ["--values", f"values-{index}.yaml"]
    _write(work_folder / "values.json", json.dumps(nest_values(release.values)).encode())
    return [*words, "--values", "values.json"]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def nest_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """``{"image.tag": "x"}`` as ``{"image": {"tag": "x"}}``."""
    made: dict[str, Any] = {}
    for path, value in values.items():
        *above, last = path.split(".")
        place = made
        for key in above:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise KubernetesError(f"kubernetes.values: {path} conflicts with {key}, which has a value itself")
        if isinstance(place.get(last), dict):
            raise KubernetesError(f"kubernetes.values: {path} has a value, but other values are nested below it")
        place[last] = value
    return made


def _run(argv: list[str], work_folder: Path, folder: str) -> str:
    """Runs helm and returns its output. The whole process group is always gone afterwards."""
    limits = f'ulimit -t {SECONDS}; ulimit -v {_KILOBYTES}; ulimit -f {MOST_OUTPUT // 512}; exec "$@"'
    command = ["/bin/sh", "-c", limits, "sh", *(_sandboxed(argv, work_folder) if sandbox.works() else argv)]
    out, err = work_folder / "out", work_folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=work_folder,
            env={"HOME": "/nonexistent", "PATH": os.defpath, "HELM_NO_PLUGINS": "1", "GOMAXPROCS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise KubernetesError(f"{folder}: rendering this chart took longer than {SECONDS} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if out.stat().st_size >= MOST_OUTPUT // 512 * 512:
        raise KubernetesError(f"{folder}: this chart renders more than {MOST_OUTPUT} bytes")
    if code != 0:
        raise KubernetesError(f"{folder}: helm can't render this chart: {_first_error(err)}", _error_lines(err))
    return out.read_bytes().decode(errors="replace")


def _sandboxed(argv: list[str], work_folder: Path) -> list[str]:
    """Runs in its own namespaces without a network, and sees only the chart, helm and its libraries."""
    bwrap = shutil.which("bwrap") or "bwrap"
    words = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    for path in ("/lib", "/lib64", "/usr/lib"):
        words += ["--ro-bind-try", path, path]
    binary = str(Path(argv[0]).resolve())
    words += ["--ro-bind", binary, "/helm", "--ro-bind", str(work_folder), "/work", "--chdir", "/work"]
    return [*words, "/helm", *argv[1:]]


def _error_lines(err: Path) -> list[str]:
    lines = err.read_bytes()[-4000:].decode(errors="replace").splitlines()
    return [line[:500] for line in lines if line.strip()][-_TAIL:]


def _first_error(err: Path) -> str:
    """helm ends with one line, ``Error: …``, after its warnings."""
    said = _error_lines(err)
    found = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
    return (found or said or ["it exited without an error message"])[-1][:300]


def _objects(folder: str, text: str) -> list[Manifest]:
    """Grouped by template, so that a rejection can name it."""
    pieces = _SOURCE_COMMENT.split(text)
    found = list(manifest_reader.parse(folder, pieces[0])) if pieces[0].strip() else []
    for path, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        found += manifest_reader.parse(posixpath.join(folder, path), piece)
    return found
