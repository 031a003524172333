"""Reads what ``manifests`` in eph.yaml names: a file, a folder of files, a kustomization, or a Helm chart."""

from __future__ import annotations

import posixpath

from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import helm, kustomize, wording
from programs.targets.kubernetes.manifests.manifest_reader import KUSTOMIZATION, ChartRelease, Manifest, parse

MAX_FILES = 200
MAX_CHARACTERS = 1_000_000
"""Of a folder of files. Reading YAML takes seconds per megabyte."""


def read(files: CommitFiles, path: str, release: ChartRelease, kustomize_program: str = "") -> list[Manifest]:
    listed = files.list_folder(path)
    if listed is None:
        return parse(path, files.read_text(path))
    if any(name in KUSTOMIZATION for name in listed):
        return kustomize.build(files, path, kustomize_program)
    if "Chart.yaml" in listed:
        return helm.render(files, path, release)
    chosen = [name for name in listed if name.endswith((".yaml", ".yml", ".json"))]
    if not chosen:
        raise KubernetesError(wording.reading.no_yaml_files(path))
    paths = [posixpath.join(path, name) for name in chosen]
    texts = {each: files.read_text(each) for each in paths[:MAX_FILES]}
    if len(paths) > MAX_FILES or sum(map(len, texts.values())) > MAX_CHARACTERS:
        raise KubernetesError(wording.reading.too_many_files(path, MAX_FILES, MAX_CHARACTERS))
    return [item for each, content in texts.items() for item in parse(each, content)]
