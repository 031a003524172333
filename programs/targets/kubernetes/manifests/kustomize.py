"""Builds the repository's kustomizations with kustomize; the output is checked like any other manifest.

kustomize fetches bases from anywhere and can run programs. So it gets only files that ``kustomization`` has read and
rewritten, no network, and no flag that enables plugins, functions or Helm.
"""

from __future__ import annotations

import posixpath
import re

from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.manifests import kustomization, manifest_reader, renderer, wording
from programs.targets.kubernetes.manifests.manifest_reader import Manifest, ReadManifests
from programs.targets.kubernetes.manifests.renderer import InputFiles, Renderer
from programs.targets.kubernetes.refusals import Refusals

_NO_PROXY = "http://127.0.0.1:9"
_ENV = {
    # No git on PATH, and a proxy that doesn't exist: without a sandbox, these still keep it from fetching.
    "PATH": "/nonexistent",
    "HTTP_PROXY": _NO_PROXY,
    "HTTPS_PROXY": _NO_PROXY,
    "KUSTOMIZE_PLUGIN_HOME": "/nonexistent",
}
_OPTIONS = ("--load-restrictor", "LoadRestrictionsRootOnly")
_ORIGIN = "config.kubernetes.io/origin"
_ORIGIN_PATH = re.compile(r"^(?:path|configuredIn): (.+)$", re.M)
_MAX_CHARACTERS = 1_500_000
"""Of one object: a ConfigMap can hold a file of ``commit_files.MAX_FILE_BYTES``."""


def build(files: CommitFiles, folder: str, program: str = "") -> ReadManifests:
    """The objects of a kustomization. ``program`` is kustomize, if it isn't on PATH."""
    tool = Renderer("kustomize", "kustomization", program, _ENV)
    inputs = InputFiles(folder, tool.subject)
    read = kustomization.read(files, folder, inputs)
    binary = tool.find(wording.rendering.is_a_kustomization(folder), wording.rendering.KUSTOMIZATION_OUTPUT)
    output = renderer.run(tool, [binary, "build", *_OPTIONS, read.root], inputs)
    return ReadManifests(tuple(_objects(folder, output)), read.notices)


def _objects(folder: str, text: str) -> list[Manifest]:
    found, refusals = [], Refusals()
    for piece in text.removeprefix("---\n").split("\n---\n"):
        with refusals.collect():
            read = manifest_reader.parse(folder, piece, _MAX_CHARACTERS, rendered=True)
            found += [Manifest(_take_origin(item, folder), item.data) for item in read]
    refusals.check()
    return found


def _take_origin(manifest: Manifest, folder: str) -> str:
    """The file it comes from, so that a rejection can name it. kustomize notes it in an annotation."""
    metadata = manifest.data["metadata"]
    annotations = metadata.get("annotations") or {}
    found = _ORIGIN_PATH.search(str(annotations.pop(_ORIGIN, "")))
    if not annotations:
        metadata.pop("annotations", None)
    return posixpath.normpath(posixpath.join(folder, found[1])) if found else folder
