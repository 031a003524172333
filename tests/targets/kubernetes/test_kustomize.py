"""Kustomizations of a repository, read without kustomize: what they make, and what they may not reach (T2, S3)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import manifest_reader, patching, path_reader

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


def build(files: dict[str, str], folder: str = "over") -> dict[str, dict[str, Any]]:
    found = path_reader.read(InMemoryFiles({**BASE, **files}), folder, RELEASE)
    return {f"{item.data['kind']}/{item.name}": item.data for item in found}


def overlay(**fields: Any) -> dict[str, str]:
    return {"over/kustomization.yaml": yaml.safe_dump({"resources": ["../base"], **fields})}


def test_an_overlay_stands_on_its_base() -> None:
    found = build(
        overlay(
            images=[{"name": "acme/shop", "newName": "acme/store", "newTag": "2"}],
            replicas=[{"name": "web", "count": 1}],
            configMapGenerator=[{"name": "conf", "literals": ["MODE=preview"], "files": ["page=page.html"]}],
            commonAnnotations={"checksum/x": "1"},
        )
        | {"over/page.html": "<p>"}
    )
    web = found["Deployment/web"]
    assert web["spec"]["replicas"] == 1
    assert [item["image"] for item in web["spec"]["template"]["spec"]["containers"]] == [
        "acme/store:2",
        "registry.test:5000/side",
    ]
    assert web["spec"]["selector"]["matchLabels"] == {"app": "web"}
    assert web["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert web["metadata"]["annotations"] == {"checksum/x": "1"}
    assert found["ConfigMap/conf"]["data"] == {"MODE": "preview", "page": "<p>"}


MERGE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - {name: web, env: [{name: B, value: "3"}, {name: C, value: "4"}]}
      - {name: side, $patch: delete}
"""


@pytest.mark.parametrize("key", ["patches", "patchesStrategicMerge"])
def test_a_merge_knows_lists_by_name(key: str) -> None:
    patch = {"path": "p.yaml"} if key == "patches" else "p.yaml"
    found = build({**overlay(**{key: [patch]}), "over/p.yaml": MERGE})
    (container,) = found["Deployment/web"]["spec"]["template"]["spec"]["containers"]
    assert {item["name"]: item["value"] for item in container["env"]} == {"A": "1", "B": "3", "C": "4"}
    assert container["image"] == "acme/shop:1"


def test_operations_at_paths() -> None:
    patch = [
        {"op": "replace", "path": "/spec/replicas", "value": 1},
        {"op": "add", "path": "/metadata/labels/tier", "value": "front"},
        {"op": "remove", "path": "/spec/template/spec/containers/1"},
    ]
    target = {"kind": "Deployment", "name": "web"}
    web = build(overlay(patches=[{"target": target, "patch": yaml.safe_dump(patch)}]))["Deployment/web"]
    assert (web["spec"]["replicas"], web["metadata"]["labels"]["tier"]) == (1, "front")
    assert len(web["spec"]["template"]["spec"]["containers"]) == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"resources": ["https://github.com/acme/base?ref=main"]}, "not in this repository"),
    ({"resources": ["git@github.com:acme/base.git"]}, "not in this repository"),
    ({"resources": ["github.com/acme/base//deploy?ref=v1"]}, "not in this repository"),
    ({"bases": ["ssh://host/base"]}, "not in this repository"),
    ({"resources": ["../../outside"]}, "is outside the repository"),
    ({"resources": ["/etc/passwd"]}, "is outside the repository"),
    ({"resources": ["."]}, "in a circle"),
    ({"resources": ["nothing.yaml"]}, "doesn't exist at this commit"),
    ({"generators": ["g.yaml"]}, "run programs"),
    ({"transformers": ["t.yaml"]}, "run programs"),
    ({"validators": ["v.yaml"]}, "run programs"),
    ({"helmCharts": [{"name": "x"}]}, "run programs"),
    ({"namePrefix": "a-"}, "namePrefix is not known"),
    ({"vars": []}, "vars is not known"),
    ({"components": ["../c"]}, "components is not known"),
    ({"configMapGenerator": [{"name": "x", "files": ["../../secret"]}]}, "is outside the repository"),
    ({"configMapGenerator": [{"name": "x", "behavior": "merge"}]}, "behavior is not known"),
    ({"patches": [{"patch": "[{op: replace, path: /a, value: 1}]"}]}, "needs a target"),
    ({"patches": [{"patch": MERGE, "target": {"kind": "Deployment", "name": "other"}}]}, "not here"),
    ({"patches": [{"patch": MERGE, "target": {"labelSelector": "a=b"}}]}, "target is known"),
    ({"commonLabels": {"a": 1}}, "text"),
]


@pytest.mark.parametrize(("fields", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_is_not_known_or_not_here_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(KubernetesError, match=why):
        build(overlay(**fields))


def test_a_patch_that_does_not_fit_says_where() -> None:
    for operation in (
        {"op": "replace", "path": "/nothing/here", "value": 1},
        {"op": "remove", "path": "/list/7"},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "other", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"path": "/a"},
    ):
        with pytest.raises(patching.InvalidPatch):
            patching.apply_operations({"a": 1, "list": [1]}, [operation])


def test_operations_of_the_standard() -> None:
    data = {"a": {"b/c": 1}, "list": [1, 3]}
    made = patching.apply_operations(
        data,
        [
            {"op": "test", "path": "/a/b~1c", "value": 1},
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "copy", "from": "/list/0", "path": "/first"},
            {"op": "move", "from": "/a/b~1c", "path": "/moved"},
        ],
    )
    assert made == {"a": {}, "list": [1, 2, 3, 4], "first": 1, "moved": 1}
    assert data == {"a": {"b/c": 1}, "list": [1, 3]}
