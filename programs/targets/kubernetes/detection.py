"""Which manifests of a repository are meant for previews, for a first eph.yaml."""

from __future__ import annotations

from pathlib import Path

from programs.eph_yaml.target_section import DetectedSection

_CHART_FOLDERS = (".", "chart", "helm", "charts/*", "deploy/chart", "deploy/helm", "deploy/charts/*")
_OVERLAYS = ("preview", "previews", "review", "dev", "development", "staging")
_KUSTOMIZE_ROOTS = ("k8s", "kubernetes", "kustomize", "deploy", "deploy/k8s", "manifests", ".")


def detect(folder: Path) -> DetectedSection | None:
    return _chart(folder) or _kustomization(folder)


def _chart(folder: Path) -> DetectedSection | None:
    for pattern in _CHART_FOLDERS:
        for file in sorted(folder.glob(f"{pattern}/Chart.yaml")):
            return _manifests(folder, file)
    return None


def _kustomization(folder: Path) -> DetectedSection | None:
    """The overlay for previews, or else another one for development, or else the base."""
    for root in _KUSTOMIZE_ROOTS:
        for name in (*(f"overlays/{overlay}" for overlay in _OVERLAYS), "base", "."):
            file = folder / root / name / "kustomization.yaml"
            if file.is_file():
                return _manifests(folder, file)
    return None


def _manifests(root: Path, file: Path) -> DetectedSection:
    place = file.resolve().relative_to(root.resolve())
    parent = place.parent.as_posix()
    return DetectedSection(place.as_posix(), {"manifests": [parent if parent == "." else f"./{parent}"]})
