"""A Helm chart of the repository, rendered by helm itself and then judged like any other manifest.

A chart is a program of whoever opened the pull request, if a small one: templates can loop, but reach nothing. It gets
a copy of its folder and nothing else: no network, no cluster (``lookup`` finds nothing), no plugins, no other file of
this machine, a few seconds and a few megabytes. Dependencies must lie in its ``charts`` folder; nothing is fetched.
What it prints is a text of objects, and goes the way of all manifests: the list of what may be there, pinned images.

Where bubblewrap cannot make its namespaces, as in most pods, what is left is helm's own word that ``template`` calls
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
"""Of address space: helm's runtime reserves much and uses little."""
_SOURCE_COMMENT = re.compile(r"^---\n# Source: [^/\n]*/(.*)\n", re.M)
_TAIL = 8


def render(files: CommitFiles, folder: str, release: ChartRelease) -> list[Manifest]:
    binary = shutil.which(release.helm or "helm")
    if binary is None:
        raise KubernetesError(
            f"{folder} is a Helm chart, and this server has no helm; an operator puts it on PATH, or names it in the "
            "setting kubernetes.helm. Without it commit what the chart renders"
        )
    with tempfile.TemporaryDirectory(prefix="eph-chart-") as place:
        words = _write_chart(files, folder, release, Path(place))
        text = _run([binary, "template", release.name, "chart", *words], Path(place), folder)
    return _objects(folder, text)


def _write_chart(files: CommitFiles, folder: str, release: ChartRelease, work_folder: Path) -> list[str]:
    """The chart's files, as they lie in the commit; and those with values."""
    listed = files.list_tree(folder)
    if len(listed) > MAX_FILES:
        raise KubernetesError(f"{folder} has {len(listed)} files; the most of a chart is {MAX_FILES}")
    room = MAX_BYTES
    for path in listed:
        content = files.read_bytes(posixpath.join(folder, path))
        room -= len(content)
        if room < 0:
            raise KubernetesError(f"{folder} has more than {MAX_BYTES} bytes, the most of a chart")
        _write(work_folder / "chart" / path, content)
    words = ["--namespace", release.name, "--skip-tests"]
    for index, path in enumerate(release.values_files):
        manifest_reader.documents(path, files.read_text(path))  # a mistake in it is told with its line
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
                raise KubernetesError(f"kubernetes.values: {path} stands below {key}, which has a value of its own")
        if isinstance(place.get(last), dict):
            raise KubernetesError(f"kubernetes.values: {path} has a value, and others stand below it")
        place[last] = value
    return made


def _run(argv: list[str], work_folder: Path, folder: str) -> str:
    """What it printed. The whole process group is gone afterwards, whatever happened."""
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
            raise KubernetesError(f"{folder}: rendering this chart takes longer than {SECONDS} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if out.stat().st_size >= MOST_OUTPUT // 512 * 512:
        raise KubernetesError(f"{folder}: this chart renders more than {MOST_OUTPUT} bytes")
    if code != 0:
        raise KubernetesError(f"{folder}: helm cannot render this chart: {_first_error(err)}", _error_lines(err))
    return out.read_bytes().decode(errors="replace")


def _sandboxed(argv: list[str], work_folder: Path) -> list[str]:
    """Its own namespaces, without a network; of this machine the chart, helm and the libraries that it may need."""
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
    """helm ends with one line, ``Error: …``; what it warned of stands before."""
    said = _error_lines(err)
    found = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
    return (found or said or ["it ended without a word"])[-1][:300]


def _objects(folder: str, text: str) -> list[Manifest]:
    """By the template that each came from, so that a refusal names it."""
    pieces = _SOURCE_COMMENT.split(text)
    found = list(manifest_reader.parse(folder, pieces[0])) if pieces[0].strip() else []
    for path, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        found += manifest_reader.parse(posixpath.join(folder, path), piece)
    return found
