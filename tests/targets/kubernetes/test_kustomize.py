"""Kustomizations of a repository: what the real kustomize builds of them (T2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import path_reader
from tests.targets.kubernetes.kustomizations import BASE, KUSTOMIZE, RELEASE, build, needs_kustomize, overlay, read


@needs_kustomize
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


@needs_kustomize
@pytest.mark.parametrize("key", ["patches", "patchesStrategicMerge"])
def test_a_merge_knows_lists_by_name(key: str) -> None:
    patch = {"path": "p.yaml"} if key == "patches" else "p.yaml"
    found = build({**overlay(**{key: [patch]}), "over/p.yaml": MERGE})
    (container,) = found["Deployment/web"]["spec"]["template"]["spec"]["containers"]
    assert {item["name"]: item["value"] for item in container["env"]} == {"A": "1", "B": "3", "C": "4"}
    assert container["image"] == "acme/shop:1"


@needs_kustomize
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


FAILED: list[tuple[dict[str, Any], str]] = [
    ({"commonLabels": {"a": 1}}, "of type string"),
    ({"configMapGenerator": [{"name": "x", "files": ["../base/web.yaml"]}]}, "not in or below"),
    ({"patches": [{"patch": "apiVersion: v1\nkind: Service\nmetadata: {name: other}"}]}, "no matches for"),
    (
        {"patches": [{"patch": '[{"op": "test", "path": "/spec/replicas", "value": 9}]', "target": {"kind": "D.*"}}]},
        "test",
    ),
    ({"patches": [{"patch": '[{"op": "remove", "path": "/nothing/7"}]', "target": {"name": "web"}}]}, "nothing"),
    ({"components": ["../base"]}, "Component"),
    ({"vars": [{"name": "X"}]}, "var"),
    ({"images": [{"name": "a", "unknown": "b"}]}, "unknown"),
]


@needs_kustomize
@pytest.mark.parametrize(("fields", "why"), FAILED, ids=[f"{next(iter(item))}-{why}" for item, why in FAILED])
def test_what_cannot_be_built_is_reported_in_kustomizes_words(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(KubernetesError, match=f"over: kustomize can't render this kustomization.*{why}") as caught:
        read(overlay(**fields))
    assert "/tmp" not in str(caught.value)


FEATURES: list[tuple[dict[str, Any], dict[str, str], Callable[[dict[str, Any]], object], object]] = [
    ({"namePrefix": "a-", "nameSuffix": "-z"}, {}, sorted, ["Deployment/a-web-z"]),
    (
        {"components": ["../part"]},
        {"part/kustomization.yaml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnamePrefix: p-\n"},
        sorted,
        ["Deployment/p-web"],
    ),
    (
        {"transformers": ["t.yaml"]},
        {
            "over/t.yaml": "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: t}\nprefix: t-\n"
            "fieldSpecs: [{path: metadata/name}]\n"
        },
        sorted,
        ["Deployment/t-web"],
    ),
    (
        {
            "replacements": [
                {
                    "source": {"kind": "Deployment", "fieldPath": "metadata.name"},
                    "targets": [
                        {
                            "select": {"kind": "Deployment"},
                            "fieldPaths": ["spec.template.spec.hostname"],
                            "options": {"create": True},
                        }
                    ],
                }
            ]
        },
        {},
        lambda found: found["Deployment/web"]["spec"]["template"]["spec"]["hostname"],
        "web",
    ),
    (
        {
            "resources": ["../settings"],
            "configMapGenerator": [{"name": "conf", "behavior": "merge", "envs": ["more.env"]}],
        },
        {
            "settings/kustomization.yaml": "configMapGenerator: [{name: conf, literals: [A=1, B=2]}]\n",
            "over/more.env": "B=3\n",
        },
        lambda found: found["ConfigMap/conf"]["data"],
        {"A": "1", "B": "3"},
    ),
    (
        {
            "patches": [
                {"patch": "[{op: replace, path: /spec/replicas, value: 1}]", "target": {"labelSelector": "app=web"}}
            ]
        },
        {},
        lambda found: found["Deployment/web"]["spec"]["replicas"],
        1,
    ),
    (
        {"namespace": "production", "secretGenerator": [{"name": "s", "namespace": "other", "literals": ["a=b"]}]},
        {},
        lambda found: [item["metadata"] for item in found.values()],
        [{"name": "s"}, {"labels": {"app": "web"}, "name": "web"}],
    ),
]


@needs_kustomize
@pytest.mark.parametrize(
    ("fields", "files", "look", "expected"), FEATURES, ids=[next(iter(fields)) for fields, *_ in FEATURES]
)
def test_what_only_kustomize_can_do(
    fields: dict[str, Any], files: dict[str, str], look: Callable[[dict[str, Any]], object], expected: object
) -> None:
    assert look(build({**overlay(**fields), **files})) == expected


@needs_kustomize
def test_each_object_names_the_file_it_comes_from() -> None:
    found = read(overlay(configMapGenerator=[{"name": "conf", "literals": ["A=1"]}]))
    paths = {item.name: item.path for item in found}
    assert paths == {"web": "base/web.yaml", "conf": "over/kustomization.yaml"}
    assert all("annotations" not in item.data["metadata"] for item in found)


@needs_kustomize
def test_folders_with_a_dot_are_not_taken_for_hosts() -> None:
    """T2: `conf.d` could be a host to kustomize as well, so it gets a path that can't be one."""
    files = {
        **overlay(
            resources=["../base", "github.com/acme"],
            configMapGenerator=[{"name": "conf", "files": ["conf.d/default.conf", "other=conf.d/default.conf"]}],
            patches=[{"path": "patches.d/p.yaml"}],
        ),
        "over/github.com/acme/kustomization.yaml": "configMapGenerator: [{name: local, literals: [A=1]}]\n",
        "over/conf.d/default.conf": "listen 80;",
        "over/patches.d/p.yaml": MERGE,
    }
    found = build(files)
    assert found["ConfigMap/conf"]["data"] == {"default.conf": "listen 80;", "other": "listen 80;"}
    assert found["ConfigMap/local"]["data"] == {"A": "1"}
    assert len(found["Deployment/web"]["spec"]["template"]["spec"]["containers"]) == 1


@needs_kustomize
def test_patch_without_an_object_is_skipped_with_a_notice() -> None:
    """T2: as kustomize does. A patch for each overlay is often shared by several."""
    patch = {"patch": "[{op: remove, path: /spec}]", "target": {"kind": "Deployment", "name": "other"}}
    files = InMemoryFiles({**BASE, **overlay(patches=[patch])})
    found = path_reader.read(files, "over", RELEASE, KUSTOMIZE)
    assert [item.data for item in found.objects] == [item.data for item in read(overlay())]
    (notice,) = found.notices
    assert re.match(r"over/kustomization.yaml: .*Deployment other", notice)


@needs_kustomize
def test_anchors_of_resources_and_patches_are_written_out() -> None:
    """T2"""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: &l {app: web}}\nspec: {selector: *l}\n"
    patch = "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: &l {a: b}}\nspec: {selector: {<<: *l}}\n"
    files = {
        **overlay(resources=["s.yaml"], patches=[{"path": "p.yaml"}]),
        "over/s.yaml": service,
        "over/p.yaml": patch,
    }
    found = build(files)["Service/web"]
    assert found["spec"]["selector"] == found["metadata"]["labels"] == {"app": "web", "a": "b"}
