"""A repository's Helm chart, rendered by the real sandboxed helm and checked like any manifest: attacks (T2, S3).

Tests that don't need helm use a script instead, so that they run on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from programs.spec import EnvironmentSpec, GitSource
from programs.targets.kubernetes.commit_files import InMemoryFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import helm, load_manifests, renderer
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease, Manifest
from programs.targets.kubernetes.settings import KubernetesSettings
from tests.targets.kubernetes.manifest_attacks import LAUGHS
from tests.targets.kubernetes.render_tools import find_tool, write_script

CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "chart/values.yaml": "image: {repository: registry.test/acme/shop, tag: latest}\nreplicas: 1\n",
    "chart/templates/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {helm.sh/chart: shop}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}", ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
""",
}
PINNED = {"api": "registry.test/acme/shop@sha256:" + "a" * 64}


HELM = find_tool("helm")
needs_helm = pytest.mark.skipif(not HELM, reason="needs helm on PATH or in Eph's cache: run `make helm`")
SETTINGS = KubernetesSettings(root=Path("/nowhere"), server="eph", helm=HELM)


def spec(**more: Any) -> EnvironmentSpec:
    made = EnvironmentSpec(
        name="shop-gentle-stream-42",
        host="shop-gentle-stream-42.preview.test",
        target="kubernetes",
        project="shop",
        source=GitSource("/nowhere", "0" * 40, "feature"),
        services=(),
        images={"api": "registry.test/acme/shop:pr-42"},
        manifests=("chart",),
    )
    return replace(made, **more)


def render_chart(texts: Mapping[str, str], program: str = HELM, **more: Any) -> list[Manifest]:
    return helm.render(InMemoryFiles({**CHART, **texts}), "chart", ChartRelease("shop-a-42", helm=program, **more))


@pytest.mark.long
@needs_helm
def test_chart_is_rendered_with_values_of_eph_yaml_checked_and_pinned() -> None:
    """Values files override the chart's own values, and eph.yaml overrides both."""
    files = InMemoryFiles({**CHART, "preview.yaml": "replicas: 2\nimage: {tag: preview}\n"})
    found = load_manifests(
        files, spec(values={"image.tag": "0123456", "replicas": 3}, values_files=("preview.yaml",)), SETTINGS, PINNED
    )
    deployment = next(item for item in found.objects if item["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == PINNED["api"]
    assert (found.backends, found.public_ports) == ({"web": ("web", 80)}, (8080,))
    (service, *_) = [
        item for item in render_chart({}, values={"image.tag": "0123456"}) if item.data["kind"] == "Deployment"
    ]
    assert service.data["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.test/acme/shop:0123456"
    assert service.path == "chart/templates/web.yaml"


@pytest.mark.long
@needs_helm
def test_anchors_of_values_files_are_written_out() -> None:
    """T2: they're common there."""
    values = "image: &image {tag: preview}\nreplicas: &n 2\ncopies: [*n, {<<: *image, other: *n}]\n"
    found = load_manifests(
        InMemoryFiles({**CHART, "preview.yaml": values}), spec(values_files=("preview.yaml",)), SETTINGS, PINNED
    )
    deployment = next(item for item in found.objects if item["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == 2


def test_mistakes_in_all_values_are_reported_at_once() -> None:
    """Y1, Y2: before helm runs."""
    files = InMemoryFiles({**CHART, "a.yaml": "a: [", "b.yaml": LAUGHS})
    given = spec(values={"image": 1, "image.tag": "x"}, values_files=("a.yaml", "b.yaml", "c.yaml"))
    with pytest.raises(KubernetesError) as raised:
        load_manifests(files, given, replace(SETTINGS, helm="/bin/true"), PINNED)
    parts = ("a.yaml, line 1", "b.yaml, line 5", "c.yaml doesn't exist", "kubernetes.values: image.tag conflicts")
    for line, part in zip(raised.value.tail, parts, strict=True):
        assert line.startswith(part)


PROBING_TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: told}
data:
  secrets: {{ lookup "v1" "Secret" "" "" | toJson | quote }}
  file: {{ .Files.Get "../../../etc/passwd" | quote }}
  absolute: {{ .Files.Get "/etc/passwd" | quote }}
  glob: {{ (.Files.Glob "/proc/**").AsConfig | quote }}
  address: {{ getHostByName "localhost" | quote }}
"""


@pytest.mark.long
@needs_helm
def test_a_chart_sees_nothing_but_itself() -> None:
    (told, *_) = [
        item.data for item in render_chart({"chart/templates/told.yaml": PROBING_TEMPLATE}) if item.name == "told"
    ]
    assert told["data"] == {"secrets": "{}", "file": "", "absolute": "", "glob": "{}", "address": ""}


@pytest.mark.long
@needs_helm
@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"chart/templates/a.yaml": '{{ env "HOME" }}'}, 'function "env" not defined'),
        ({"chart/templates/a.yaml": "{{ .Values.none.such }}"}, "helm can't render this chart"),
        ({"chart/templates/a.yaml": '{{ include "x" . }}{{ define "x" }}{{ include "x" . }}{{ end }}'}, "helm can't"),
        (
            {
                "chart/Chart.yaml": CHART["chart/Chart.yaml"]
                + "dependencies: [{name: redis, version: 1.0.0, repository: 'https://charts.example.com'}]\n"
            },
            "redis",
        ),
        ({"chart/templates/a.yaml": "{{ range until 100000000 }}{{ . }}{{ end }}"}, "chart"),
        ({"chart/templates/a.yaml": '{{ repeat 3000000000 "x" }}'}, "needs more than 1500 MB of memory"),
    ],
    ids=["environment", "nil", "recursion", "a dependency that is not here", "endlessly", "memory"],
)
def test_render_errors_are_reported_in_helms_words(files: dict[str, str], why: str) -> None:
    with pytest.raises(KubernetesError, match=why) as caught:
        render_chart(files)
    assert str(caught.value).startswith("chart: ")


@pytest.mark.long
@needs_helm
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\nrules: []\n",
            r"^chart/templates/evil\.yaml: ClusterRole all: .* isn't allowed in a preview",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: kube-system}\nspec: {}\n",
            r"^chart/templates/evil\.yaml: Pod p: ",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: other}\n", "because Eph sets the namespace"),
    ],
)
def test_rendered_objects_are_checked_like_any_manifest(text: str, why: str) -> None:
    with pytest.raises(KubernetesError, match=why):
        load_manifests(InMemoryFiles({**CHART, "chart/templates/evil.yaml": text}), spec(), SETTINGS, PINNED)


def test_endless_rendering_is_stopped(tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "LIMITS", replace(renderer.LIMITS, seconds=1))
    with pytest.raises(KubernetesError, match="took longer than 1 s"):
        render_chart({}, write_script(tmp_path, "helm", "sleep 60"))


def test_endless_output_is_stopped(tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "LIMITS", replace(renderer.LIMITS, output_bytes=51200))
    with pytest.raises(KubernetesError, match="renders more than 51200 bytes"):
        render_chart(
            {}, write_script(tmp_path, "helm", "while :; do echo 'a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; done")
        )


def test_helm_inherits_nothing_from_this_server(
    tmp_path: Path, no_sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/secret")
    monkeypatch.setenv("EPH_FORGE__TOKEN", "secret")
    with pytest.raises(KubernetesError) as caught:
        render_chart({}, write_script(tmp_path, "helm", "env | cut -d= -f1 | sort >&2; exit 1"))
    shown = set("\n".join(caught.value.tail).split())
    assert shown <= {"GOMAXPROCS", "HELM_NO_PLUGINS", "HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}


def test_missing_helm_and_too_large_chart_are_reported() -> None:
    with pytest.raises(KubernetesError, match="helm isn't installed on this server"):
        render_chart({}, "/nowhere/helm")
    many = {f"chart/files/{number}": "" for number in range(renderer.MAX_FILES)}
    with pytest.raises(KubernetesError, match="the limit for a chart is 1000"):
        render_chart(many, "/bin/true")
    with pytest.raises(KubernetesError, match="limit for a chart of 5000000 bytes"):
        render_chart({f"chart/files/{number}": "x" * 999_999 for number in range(6)}, "/bin/true")
    with pytest.raises(KubernetesError, match=r"values\.yaml, line 2: invalid YAML"):
        render_chart({"values.yaml": "a: 1\n}"}, "/bin/true", values_files=("values.yaml",))


@pytest.mark.parametrize("values", [{"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}])
def test_conflicting_values_are_rejected(values: dict[str, int]) -> None:
    assert helm.nest_values({"a.b": 1, "a.c": "x", "d": True}) == {"a": {"b": 1, "c": "x"}, "d": True}
    with pytest.raises(KubernetesError, match=r"kubernetes\.values: a"):
        helm.nest_values(values)


@pytest.mark.long
@needs_helm
def test_hook_of_a_chart_is_left_out_and_points_to_eph_yaml() -> None:
    """Issue 14: with the template's own path."""
    hook = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: pre-install}}\n"
        "spec: {template: {spec: {containers: []}}}\n"
    )
    files = InMemoryFiles({**CHART, "chart/templates/hook.yaml": hook})
    found = load_manifests(files, spec(), SETTINGS, PINNED)
    assert {data["kind"] for data in found.objects} == {"Deployment", "Service"}
    (notice,) = found.notices
    assert notice.startswith("chart/templates/hook.yaml: Job j: not run")
    assert "`migrate`" in notice
