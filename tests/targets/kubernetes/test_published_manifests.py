"""Published manifests run unchanged, by the real helm and kustomize (T2, issue 14 items 12 and 16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import scaffold
from orchestrator.config.eph_yaml.offline_check import check
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.manifests import LoadedManifests, load_manifests
from programs.targets.kubernetes.manifests.rewriting import containers
from programs.targets.kubernetes.rendering.namespace_objects import PathBackend
from programs.targets.kubernetes.settings import KubernetesSettings
from tests.targets.kubernetes.manifest_attacks import PINNED, spec
from tests.targets.kubernetes.published_manifests import CHART, KUSTOMIZATION
from tests.targets.kubernetes.render_tools import find_tool

HELM, KUSTOMIZE = find_tool("helm"), find_tool("kustomize")
SETTINGS = KubernetesSettings(root=Path("/nowhere"), server="eph", helm=HELM, kustomize=KUSTOMIZE)
RELEASE = "shop-gentle-stream-42"
LEFT_OVER = ("nodeSelector", "tolerations", "affinity", "priorityClassName", "NodePort", "LoadBalancer", "nodePort")


def load(files: Mapping[str, str], path: str, original: str) -> LoadedManifests:
    given = replace(spec(replaced_images={"api": original}), manifests=(path,))
    return load_manifests(InMemoryFiles(dict(files)), given, SETTINGS, PINNED)


def images(loaded: LoadedManifests) -> dict[str, list[str]]:
    """Of each workload, by its name."""
    return {
        data["metadata"]["name"]: [item["image"] for item in containers(data)]
        for data in loaded.objects
        if data["kind"] == "Deployment"
    }


def keys_and_texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value} | {found for item in value.values() for found in keys_and_texts(item)}
    if isinstance(value, list):
        return {found for item in value for found in keys_and_texts(item)}
    return {str(value)}


@pytest.mark.long
@pytest.mark.skipif(not HELM, reason="needs helm on PATH or in Eph's cache: run `make helm`")
def test_published_chart_runs_unchanged() -> None:
    """A ServiceAccount, an HPA, annotations, hooks, a test, a LoadBalancer and images of another registry."""
    found = load(CHART, "deploy/chart", "docker.io/acme/shop")
    assert sorted(data["kind"] for data in found.objects) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "Service",
        "Service",
    ]
    assert images(found) == {f"{RELEASE}-shop": ["busybox:1.36", PINNED["api"]]}
    assert (found.backends, found.public_ports) == ({"shop": (f"{RELEASE}-shop", 80)}, (8080,))
    assert keys_and_texts(list(found.objects)) & {*LEFT_OVER, "linkerd.io/inject", "helm.sh/hook"} == set()
    templates = sorted({notice.partition(": ")[0].rpartition("/")[2] for notice in found.notices})
    assert templates == ["deployment.yaml", "migrate.yaml", "service.yaml", "serviceaccount.yaml"]
    assert found.paths == {"shop": (PathBackend("/metrics", False, (f"{RELEASE}-shop-metrics", 9090)),)}


@pytest.mark.long
@pytest.mark.skipif(not KUSTOMIZE, reason="needs kustomize on PATH or in Eph's cache: run `make kustomize`")
def test_published_kustomization_runs_unchanged() -> None:
    """An overlay with a component, a prefix, patches by regular expression, a NodePort and an HTTPRoute."""
    found = load(KUSTOMIZATION, "k8s/overlays/preview", "ghcr.example.com/acme/shop")
    assert images(found) == {
        "shop-web": [PINNED["api"]],
        "shop-worker": [PINNED["api"]],
        "shop-cache": ["redis:7"],
    }
    assert found.backends == {"shop-web": ("shop-web", 80)}
    assert keys_and_texts(list(found.objects)) & set(LEFT_OVER) == set()
    worker = next(data for data in found.objects if data["metadata"]["name"] == "shop-worker")
    (container,) = containers(worker)
    assert container["resources"] == {"limits": {"memory": "256Mi"}}
    assert container["env"] == [{"name": "CACHE_URL", "value": "redis://cache:6379"}]
    places = sorted(notice.partition(": ")[0] for notice in found.notices)
    assert places == ["k8s/base/web.yaml", "k8s/base/web.yaml", "k8s/components/cache/cache.yaml"]


@pytest.mark.parametrize(
    ("files", "path"), [(CHART, "./deploy/chart"), (KUSTOMIZATION, "./k8s/overlays/preview")], ids=["chart", "overlay"]
)
def test_init_finds_them(tmp_path: Path, files: Mapping[str, str], path: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    text = scaffold.render_eph_yaml("shop", scaffold.detect(tmp_path))
    assert f'manifests: ["{path}"]' in text
    assert check(text.encode(), root=tmp_path).problems == ()
