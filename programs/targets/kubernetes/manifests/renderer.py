"""Runs a program that renders files of the repository to objects: helm or kustomize, in a sandbox.

It gets a copy of what it needs and nothing else: no network, no cluster, no plugins, no other files of this machine, a
few seconds and a few megabytes. Its output goes through the same steps as all manifests: the allowlist and pinned
images.

Where bubblewrap can't create its namespaces, as in most pods, what remains is a filter that lets it open no socket, an
environment without anything of ours, and the limits. It could then read what Eph's user can read.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from programs.kit.isolation import no_network
from programs.kit.processes import bounded_run, sandbox
from programs.kit.processes.bounded_run import RunLimits
from programs.targets.kubernetes.errors import KubernetesError, ManifestsTooLarge, RendererUnavailable
from programs.targets.kubernetes.manifests import wording

MAX_FILES = 1000
MAX_BYTES = 5_000_000
LIMITS = RunLimits(seconds=30, megabytes=1500, output_bytes=4_000_000)
_OUT_OF_MEMORY = (b"out of memory", b"cannot allocate memory")
_TAIL = 8
_INSIDE = "/work"
"""Where the input is in the sandbox."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """``subject`` is what it renders, for messages. ``setting`` is the path from the server's settings."""

    name: str
    subject: str
    setting: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def find(self, needed_for: str, instead: str) -> str:
        found = shutil.which(self.setting or self.name)
        if found is None:
            raise RendererUnavailable(wording.rendering.not_installed(needed_for, self.name, instead))
        return found


class InputFiles:
    """What a renderer gets, by path. Raises as soon as there are too many files or bytes."""

    def __init__(self, folder: str, subject: str) -> None:
        self.folder = folder
        self._subject = subject
        self._bytes = 0
        self.contents: dict[str, bytes] = {}

    def add(self, path: str, content: bytes) -> None:
        self._bytes += len(content) - len(self.contents.get(path, b""))
        self.contents[path] = content
        if len(self.contents) > MAX_FILES:
            raise ManifestsTooLarge(wording.rendering.too_many_files(self.folder, self._subject, MAX_FILES))
        if self._bytes > MAX_BYTES:
            raise ManifestsTooLarge(wording.rendering.too_large(self.folder, self._subject, MAX_BYTES))

    def write(self, work_folder: Path) -> None:
        for path, content in self.contents.items():
            target = work_folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def run(renderer: Renderer, argv: list[str], inputs: InputFiles) -> str:
    """Runs the program in a copy of its input and returns its output. The copy is always deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"eph-{renderer.name}-") as place:
        inputs.write(Path(place))
        return _run(renderer, argv, Path(place), inputs.folder)


def _run(renderer: Renderer, argv: list[str], work_folder: Path, folder: str) -> str:
    env = {"HOME": "/nonexistent", "PATH": os.defpath, "GOMAXPROCS": "1", **renderer.env}
    done = bounded_run.run(_confined(argv, work_folder), work_folder, LIMITS, env, work_folder)
    if done.code is None:
        raise RendererUnavailable(wording.rendering.too_slow(folder, renderer.subject, LIMITS.seconds))
    if done.is_cut:
        raise KubernetesError(wording.rendering.output_too_large(folder, renderer.subject, LIMITS.output_bytes))
    if done.code != 0 and any(word in done.err.read_bytes()[:4000] for word in _OUT_OF_MEMORY):
        raise KubernetesError(wording.rendering.out_of_memory(folder, renderer.subject, LIMITS.megabytes))
    if done.code != 0:
        lines = _error_lines(done.err, work_folder)
        sentence = wording.rendering.failed(folder, renderer.name, renderer.subject, _first_error(lines))
        raise KubernetesError(sentence, lines)
    return done.out.read_bytes().decode(errors="replace")


def _confined(argv: list[str], work_folder: Path) -> list[str]:
    if sandbox.works():
        return _sandboxed(argv, work_folder)
    return [sys.executable, "-I", "-S", str(Path(no_network.__file__)), *argv]


def _sandboxed(argv: list[str], work_folder: Path) -> list[str]:
    """Runs in its own namespaces without a network, and sees only its input, the program and its libraries."""
    bwrap = shutil.which("bwrap") or "bwrap"
    words = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    for path in ("/lib", "/lib64", "/usr/lib"):
        words += ["--ro-bind-try", path, path]
    program = f"/{Path(argv[0]).name}"
    binary = str(Path(argv[0]).resolve())
    words += ["--ro-bind", binary, program, "--ro-bind", str(work_folder), _INSIDE, "--chdir", _INSIDE]
    return [*words, program, *argv[1:]]


def _error_lines(err: Path, work_folder: Path) -> list[str]:
    text = err.read_bytes()[-4000:].decode(errors="replace").replace(f"{work_folder}/", "").replace(f"{_INSIDE}/", "")
    return [line[:500] for line in text.splitlines() if line.strip()][-_TAIL:]


def _first_error(lines: list[str]) -> str:
    """Both programs end with ``Error: …``, after their warnings."""
    start = max((number for number, line in enumerate(lines) if line.startswith("Error: ")), default=len(lines) - 1)
    found = " ".join(lines[max(start, 0) :]).removeprefix("Error: ")
    return (found or wording.rendering.NO_ERROR_MESSAGE)[:300]
