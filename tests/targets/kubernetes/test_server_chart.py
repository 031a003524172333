"""The chart as ``eph self-install kubernetes`` applies it: each object that helm renders, workloads last. Row: O4."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from programs.targets.kubernetes.errors import KubernetesError, RendererUnavailable
from programs.targets.kubernetes.installation import server_chart
from programs.targets.kubernetes.installation.server_chart import KubernetesInstallationOptions
from programs.targets.kubernetes.target import TARGET
from stacks.toolchain import plugins
from tests.targets.kubernetes.recorded_program import record

VALUES = "image: {repository: registry.test/eph}\nsettings: {domain: preview.test}\n"


@pytest.fixture
def options(tmp_path: Path) -> KubernetesInstallationOptions:
    (tmp_path / "values.yaml").write_text(VALUES)
    return KubernetesInstallationOptions(values=tmp_path / "values.yaml", namespace="tools")


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plugins.find_optional(plugins.HELM)
    if folder is None:
        pytest.skip("there is no helm here: make helm")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.long
@pytest.mark.usefixtures("helm")
def test_plan_has_each_object_of_the_chart(options: KubernetesInstallationOptions) -> None:
    objects = server_chart.render(options)
    found = record(TARGET.installation(options).program).resources
    applied = {name: item for name, item in found.items() if "kind" in item}
    assert len(applied) == len(objects)
    kinds = {item["kind"] for item in applied.values()}
    assert {"StatefulSet", "ServiceAccount", "ClusterRole", "ValidatingAdmissionPolicy", "ConfigMap"} <= kinds
    for item in applied.values():
        cluster_wide = item["kind"].startswith(("Cluster", "Validating"))
        reads_api_server = item["metadata"]["name"].endswith("-api-server")  # whose addresses are in that namespace
        namespace = "" if cluster_wide else "default" if reads_api_server else "tools"
        assert item["metadata"].get("namespace", "") == namespace, item["kind"]
    assert list(applied)[-1].startswith("statefulset-"), "after what it uses"


@pytest.mark.long
@pytest.mark.usefixtures("helm")
def test_values_that_the_chart_rejects_are_reported_before_anything_is_planned(
    options: KubernetesInstallationOptions,
) -> None:
    options.values.write_text("image: {repository: x}\nreplicas: 3\n")
    with pytest.raises(KubernetesError, match="replicas"):
        TARGET.installation(options)


def test_missing_values_chart_and_helm_are_reported(
    options: KubernetesInstallationOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KubernetesError, match=r"none\.yaml"):
        server_chart.render(options.model_copy(update={"values": tmp_path / "none.yaml"}))
    with pytest.raises(KubernetesError, match="clone"):
        server_chart.render(options.model_copy(update={"chart": tmp_path}))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RendererUnavailable):
        server_chart.render(options)
