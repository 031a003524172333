"""Reads what ``manifests`` in eph.yaml names: a file, a folder of files, a kustomization, or a Helm chart."""

from __future__ import annotations

import posixpath

from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import helm, kustomize
from programs.targets.kubernetes.manifests.manifest_reader import KUSTOMIZATION, ChartRelease, Manifest, parse


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
        raise KubernetesError(f"{path} contains no YAML files")
    return [
        item
        for name in chosen
        for item in parse(posixpath.join(path, name), files.read_text(posixpath.join(path, name)))
    ]
