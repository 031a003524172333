"""Reads what ``manifests`` in eph.yaml names: a file, a folder of files, a kustomization, or a Helm chart."""

from __future__ import annotations

import posixpath

from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError, ManifestsTooLarge
from programs.targets.kubernetes.manifests import helm, kustomize, wording
from programs.targets.kubernetes.manifests.manifest_reader import (
    KUSTOMIZATION,
    ChartRelease,
    Manifest,
    ReadManifests,
    parse,
)
from programs.targets.kubernetes.refusals import Refusals

MAX_FILES = 200
MAX_CHARACTERS = 1_000_000
"""Of a folder of files. Reading YAML takes seconds per megabyte."""


def read(files: CommitFiles, path: str, release: ChartRelease, kustomize_program: str = "") -> ReadManifests:
    """Raises with everything that can't be read."""
    listed = files.list_folder(path)
    if listed is None:
        return ReadManifests(tuple(parse(path, files.read_text(path))))
    if any(name in KUSTOMIZATION for name in listed):
        return kustomize.build(files, path, kustomize_program)
    if "Chart.yaml" in listed:
        return ReadManifests(tuple(helm.render(files, path, release)))
    return ReadManifests(tuple(_read_folder(files, path, listed)))


def _read_folder(files: CommitFiles, folder: str, listed: list[str]) -> list[Manifest]:
    paths = [posixpath.join(folder, name) for name in listed if name.endswith((".yaml", ".yml", ".json"))]
    if not paths:
        raise KubernetesError(wording.reading.no_yaml_files(folder))
    found, characters, refusals = [], 0, Refusals()
    for count, path in enumerate(paths, 1):
        with refusals.collect():
            content = files.read_text(path)
            characters += len(content)
            if count > MAX_FILES or characters > MAX_CHARACTERS:
                raise ManifestsTooLarge(wording.reading.too_many_files(folder, MAX_FILES, MAX_CHARACTERS))
            found += parse(path, content)
    refusals.check()
    return found
