"""Kustomizations of a repository: what the real kustomize builds, and what it can't reach (T2, S3)."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from programs.kit.processes import sandbox
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import kustomization, manifest_reader, path_reader, renderer
from tests.targets.kubernetes.manifest_attacks import LAUGHS
from tests.targets.kubernetes.render_tools import find_tool, write_script

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


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"resources": ["https://github.com/acme/base?ref=main"]}, "not in this repository"),
    ({"resources": ["git@github.com:acme/base.git"]}, "not in this repository"),
    ({"resources": ["github.com/acme/base//deploy?ref=v1"]}, "not in this repository"),
    ({"resources": ["GH:acme/base"]}, "not in this repository"),
    ({"bases": ["ssh://host/base"]}, "not in this repository"),
    ({"components": ["https://github.com/acme/base"]}, "not in this repository"),
    ({"crds": ["https://example.test/crd.json"]}, "not in this repository"),
    ({"configurations": ["https://example.test/c.yaml"]}, "not in this repository"),
    ({"patches": [{"path": "https://example.test/p.yaml"}]}, "not in this repository"),
    ({"patchesStrategicMerge": ["https://example.test/p.yaml"]}, "not in this repository"),
    ({"patchesJson6902": [{"path": "http://169.254.169.254/x", "target": {"kind": "X"}}]}, "not in this repository"),
    ({"replacements": [{"path": "HTTP://example.test/r.yaml"}]}, "not in this repository"),
    ({"configMapGenerator": [{"name": "x", "files": ["key=https://example.test/f"]}]}, "not in this repository"),
    ({"secretGenerator": [{"name": "x", "envs": ["https://example.test/f"]}]}, "not in this repository"),
    ({"secretGenerator": [{"name": "x", "env": "https://example.test/f"}]}, "not in this repository"),
    ({"resources": ["../../outside"]}, "is outside the repository"),
    ({"resources": ["/etc/passwd"]}, "is outside the repository"),
    ({"resources": ["."]}, "includes itself"),
    ({"resources": ["nothing.yaml"]}, "doesn't exist at this commit"),
    ({"generators": ["g.yaml"]}, "run programs"),
    ({"transformers": ["t.yaml"]}, "run programs"),
    ({"transformers": ["helm.yaml"]}, "run programs"),
    ({"transformers": ["remote.yaml"]}, "not in this repository"),
    ({"validators": ["v.yaml"]}, "run programs"),
    ({"helmCharts": [{"name": "x"}]}, "run programs"),
    ({"helmGlobals": {"chartHome": "x"}}, "run programs"),
    ({"openapi": {"path": "x"}}, "run programs"),
    ({"Resources": ["x"]}, "support Resources;"),
    ({"configMapGenerator": [{"name": "x", "files": ["../../secret"]}]}, "is outside the repository"),
    ({"configMapGenerator": [{"name": "x", "Files": ["/etc/passwd"]}]}, "support Files in"),
    ({"configMapGenerator": [{"name": "x", "files": ["../base/kustomization.yaml"]}]}, "name its folder"),
    ({"configMapGenerator": [{"name": "x", "envs": ["no-value.env"]}]}, "is not key=value"),
    ({"patches": [{"Path": "https://example.test/p.yaml"}]}, "support Path in"),
    ({"patches": [{"patch": "[{op: replace, path: /a, value: 1}]"}]}, "needs a target"),
    ({"resources": ["github.com/acme/base"]}, "not in this repository"),
    ({"patches": [{"path": "conf.d/missing.yaml"}]}, "not in this repository"),
    ({"patches": [{"patch": LAUGHS}]}, "an alias repeats too much"),
]
PLUGINS = {
    "over/t.yaml": "apiVersion: example.test/v1\nkind: Exec\nmetadata: {name: t}\n",
    "over/helm.yaml": "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: h}\nname: x\n",
    "over/remote.yaml": (
        "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\nPath: HTTPS://example.test/p.yaml\n"
    ),
    "over/no-value.env": "# fine\nA=1\nHOME\n",
}


@pytest.mark.parametrize(("fields", "why"), REFUSED, ids=[f"{next(iter(item))}-{why}" for item, why in REFUSED])
def test_what_is_not_known_or_not_here_is_refused(fields: dict[str, Any], why: str) -> None:
    """Before anything runs, so it needs no kustomize and no sandbox."""
    with pytest.raises(KubernetesError, match=why):
        read({**overlay(**fields), **PLUGINS}, program="/nowhere/kustomize")


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


def test_all_refusals_of_kustomizations_are_reported_at_once() -> None:
    """Y1, Y2: those of a base that two others include only once."""
    files = {
        "base/kustomization.yaml": yaml.safe_dump(
            {"resources": ["web.yaml", "gone.yaml"], "helmCharts": [{"name": "x"}]}
        ),
        "part/kustomization.yaml": yaml.safe_dump({"kind": "Component", "resources": ["../base"], "odd": 1}),
        "over/bad.yaml": "kind: [",
        **overlay(
            components=["../part"],
            generatorOptions=7,
            patches=[{"path": "bad.yaml"}, {"path": "https://example.test/p.yaml"}, {"Path": "x"}],
            vars="x",
            replacements="x",
        ),
    }
    with pytest.raises(KubernetesError) as raised:
        read(files, program="/nowhere/kustomize")
    expected = [
        "over/kustomization.yaml: generatorOptions: expected a mapping",
        "base/kustomization.yaml: helmCharts",
        "base/gone.yaml doesn't exist",
        "part/kustomization.yaml: Eph doesn't support odd",
        "over/bad.yaml, line 1: invalid YAML",
        "over/kustomization.yaml: 'https://example.test/p.yaml'",
        "over/kustomization.yaml: Eph doesn't support Path",
        "over/kustomization.yaml: replacements: expected a list",
    ]
    lines = raised.value.tail
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        assert re.search(pattern, line), line


def test_refused_kustomizations_are_read_once() -> None:
    """S3: otherwise, those that include each other would multiply their errors, and the time to find them."""
    levels = {
        f"l{level}/{side}/kustomization.yaml": yaml.safe_dump(
            {"odd": 1, "resources": [f"../../l{level - 1}/{other}" for other in "abcdefgh"] if level else []}
        )
        for level in range(8)
        for side in "abcdefgh"
    }
    top = {"over/kustomization.yaml": yaml.safe_dump({"resources": [f"../l7/{side}" for side in "abcdefgh"]})}
    with pytest.raises(KubernetesError) as raised:
        read({**levels, **top}, program="/nowhere/kustomize")
    assert len(raised.value.tail) == 20


def test_objects_are_counted_before_kustomize_multiplies_them() -> None:
    """A few hundred bytes, and thousands of objects."""
    levels = {
        f"l{level}/kustomization.yaml": yaml.safe_dump(
            {"resources": [f"../l{level - 1}/{side}" for side in "abcdefgh"]}
        )
        for level in range(1, 4)
    }
    sides = {
        f"l{level}/{side}/kustomization.yaml": yaml.safe_dump(
            {"namePrefix": side, "resources": [f"../../l{level}" if level else "../../base"]}
        )
        for level in range(4)
        for side in "abcdefgh"
    }
    top = {"over/kustomization.yaml": yaml.safe_dump({"resources": [f"../l3/{side}" for side in "abcdefgh"]})}
    with pytest.raises(KubernetesError, match="loads 4096 objects; the limit is 1000"):
        read({**levels, **sides, **top}, program="/nowhere/kustomize")


def test_files_are_limited_before_they_are_read() -> None:
    names = [f"f{number}" for number in range(renderer.MAX_FILES + 1)]
    files = {f"over/{name}": "" for name in names}
    with pytest.raises(KubernetesError, match="the limit for a kustomization is 1000"):
        read({**files, **overlay(configMapGenerator=[{"name": "x", "files": names}])}, program="/bin/true")


def test_kustomize_gets_nothing_of_this_server(
    tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even git, which it would fetch bases with."""
    monkeypatch.setenv("EPH_FORGE__TOKEN", "secret")
    script = '/usr/bin/env >&2; echo "git: <$(command -v git)>" >&2; echo "$@" >&2; exit 1'
    program = write_script(tmp_path, "kustomize", script)
    with pytest.raises(KubernetesError) as caught:
        read(overlay(), program=program)
    shown = "\n".join(caught.value.tail)
    assert "PATH=/nonexistent" in shown
    assert "secret" not in shown
    assert "git: <>" in shown
    assert caught.value.tail[-1] == "build --load-restrictor LoadRestrictionsRootOnly repository/over"


def test_time_and_output_are_limited(tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "LIMITS", replace(renderer.LIMITS, seconds=1))
    with pytest.raises(KubernetesError, match="took longer than 1 s"):
        read(overlay(), program=write_script(tmp_path, "kustomize", "/bin/sleep 60"))
    monkeypatch.setattr(renderer, "LIMITS", replace(renderer.LIMITS, output_bytes=51200))
    with pytest.raises(KubernetesError, match="renders more than 51200 bytes"):
        read(
            overlay(),
            program=write_script(tmp_path, "kustomize", "while :; do echo 'a: aaaaaaaaaaaaaaaaaaaaaaa'; done"),
        )


def test_a_server_without_kustomize_says_so() -> None:
    with pytest.raises(KubernetesError, match=r"kustomize isn't installed on this server.*set kubernetes\.kustomize"):
        read(overlay(), program="/nowhere/kustomize")


@needs_kustomize
@pytest.mark.parametrize("isolated", [True, False])
def test_without_our_check_kustomize_still_reaches_nothing(
    tmp_path: Path, isolated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line of defence: its environment, its flags, and the sandbox where there is one."""
    if isolated and not sandbox.works():
        pytest.skip("needs bubblewrap")
    monkeypatch.setattr(sandbox, "works", lambda: isolated)
    original = kustomization.read

    def unchecked(files: Any, folder: str, inputs: renderer.InputFiles) -> kustomization.KustomizeInput:
        read = original(InMemoryFiles(BASE), "base", inputs)
        inputs.add(f"{read.root}/kustomization.yaml", files.read_bytes("over/kustomization.yaml"))
        return read

    monkeypatch.setattr(kustomization, "read", unchecked)
    for fields in (
        {"resources": ["https://example.test/base.yaml"]},
        {"resources": ["https://github.com/acme/base?ref=main"]},
        {"configMapGenerator": [{"name": "x", "files": ["/etc/hostname"]}]},
        {"helmCharts": [{"name": "x", "repo": "https://example.test"}]},
        {"transformers": ["apiVersion: example.test/v1\nkind: Exec\nmetadata: {name: t}\n"]},
    ):
        with pytest.raises(KubernetesError, match="kustomize can't render"):
            read({"over/kustomization.yaml": yaml.safe_dump(fields)})


def test_without_bubblewrap_a_renderer_opens_no_socket(tmp_path: Path, no_sandbox: None) -> None:
    """S3: most pods can't create namespaces. The rendering still has no network and no DNS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"""
import socket, sys
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", {port}), 1),
    lambda: socket.getaddrinfo("example.test", 80),
    lambda: socket.socket(socket.AF_UNIX),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
):
    try:
        attempt()
        print("OPEN", file=sys.stderr)
    except OSError as error:
        print(type(error).__name__, file=sys.stderr)
"""
        program = write_script(tmp_path, "kustomize", f"{sys.executable} -I -S -c '{code}'; exit 1")
        with pytest.raises(KubernetesError) as caught:
            read(overlay(), program=program)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert [line for line in caught.value.tail if line] == ["PermissionError", "gaierror", *2 * ["PermissionError"]]
