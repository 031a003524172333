"""Kustomizations of a repository that are refused before kustomize runs (T2, S3)."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import renderer
from tests.targets.kubernetes.kustomizations import overlay, read
from tests.targets.kubernetes.manifest_attacks import LAUGHS

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
