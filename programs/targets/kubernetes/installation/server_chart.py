"""Renders the chart with helm, and declares each object, so that the plan lists them and an update changes only what
differs. Nothing is read from the cluster before the plan."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import Field

from programs.installation import InstallationOptions, InstallationPlan, Permission
from programs.targets.kubernetes.errors import KubernetesError, RendererUnavailable
from programs.targets.kubernetes.installation import wording
from programs.targets.kubernetes.rendering.namespace_objects import Data

CHART = Path(__file__).parents[4] / "infra" / "helm"
HELM_SECONDS = 60.0
_WORKLOADS = frozenset({"Deployment", "StatefulSet"})
"""Started after everything that they use exists."""
_CLUSTER_WIDE = ("Cluster", "Validating")


class KubernetesInstallationOptions(InstallationOptions):
    values: Path = Field(description=wording.VALUES)
    namespace: str = Field(default="eph", description=wording.NAMESPACE)
    release: str = Field(default="eph", description=wording.RELEASE)
    chart: Path = Field(default=CHART, description=wording.CHART)
    kubeconfig: str = Field(default="", description=wording.KUBECONFIG)
    context: str = Field(default="", description=wording.CONTEXT)


def prepare(options: InstallationOptions) -> InstallationPlan:
    if not isinstance(options, KubernetesInstallationOptions):
        raise TypeError(f"these options are another target's: {options!r}")
    objects = render(options)
    return InstallationPlan(
        wording.place(options.namespace, options.context),
        lambda: _apply(options, objects),
        tuple(Permission(what, why) for what, why in wording.PERMISSIONS),
    )


def render(options: KubernetesInstallationOptions) -> list[Data]:
    """Eph's own chart, which needs no sandbox."""
    if not (options.chart / "Chart.yaml").is_file():
        raise KubernetesError(wording.NO_CHART)
    if not options.values.is_file():
        raise KubernetesError(wording.no_values(options.values))
    helm = shutil.which("helm")
    if helm is None:
        raise RendererUnavailable(wording.NO_HELM)
    words = ["template", options.release, str(options.chart.absolute()), "--namespace", options.namespace]
    command = [helm, *words, "--values", str(options.values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HELM_SECONDS, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [""]
        raise KubernetesError(wording.helm_failed(lines[-1]), lines[:-1])
    return [_in_namespace(item, options.namespace) for item in yaml.safe_load_all(done.stdout) if item]


def _in_namespace(item: Data, namespace: str) -> Data:
    if item["kind"].startswith(_CLUSTER_WIDE):
        return item
    return {**item, "metadata": {"namespace": namespace, **item["metadata"]}}


def _apply(options: KubernetesInstallationOptions, objects: Sequence[Data]) -> None:
    import pulumi_kubernetes as kubernetes
    from pulumi import Resource, ResourceOptions

    from programs.targets.kubernetes.program.resource_builder import AppliedObject

    provider = kubernetes.Provider(
        "cluster",
        kubeconfig=options.kubeconfig or None,
        context=options.context or None,
        cluster_identifier="eph",
    )
    used: list[Resource] = []
    for item in sorted(objects, key=lambda one: one["kind"] in _WORKLOADS):
        title = f"{item['kind'].lower()}-{item['metadata']['name']}"
        after = used if item["kind"] in _WORKLOADS else []
        used.append(AppliedObject(title, item, ResourceOptions(provider=provider, depends_on=[*after])))
