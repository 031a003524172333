"""A kustomization on a base, and what the real kustomize builds of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.manifests import manifest_reader, path_reader
from tests.targets.kubernetes.render_tools import find_tool

BASE = {
    "base/kustomization.yaml": "resources: [web.yaml]\ncommonLabels: {app: web}\n",
    "base/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - {name: web, image: "acme/shop:1", env: [{name: A, value: "1"}, {name: B, value: "2"}]}
      - {name: side, image: "registry.test:5000/side"}
""",
}

RELEASE = manifest_reader.ChartRelease("shop-a-42")
KUSTOMIZE = find_tool("kustomize")
needs_kustomize = pytest.mark.skipif(
    not KUSTOMIZE, reason="needs kustomize on PATH or in Eph's cache: run `make kustomize`"
)


def read(files: dict[str, str], folder: str = "over", program: str = KUSTOMIZE) -> tuple[manifest_reader.Manifest, ...]:
    return path_reader.read(InMemoryFiles({**BASE, **files}), folder, RELEASE, program).objects


def build(files: dict[str, str], folder: str = "over") -> dict[str, dict[str, Any]]:
    return {f"{item.data['kind']}/{item.name}": item.data for item in read(files, folder)}


def overlay(**fields: Any) -> dict[str, str]:
    return {"over/kustomization.yaml": yaml.safe_dump({"resources": ["../base"], **fields})}
