"""What people read about installing a server in a cluster."""

from __future__ import annotations

VALUES = "The file with the chart's values. image.repository and settings.domain are required."
NAMESPACE = "An existing namespace, with the Secrets that the values refer to."
RELEASE = "The release's name, which the names of all objects begin with."
CHART = "The folder of Eph's chart. Default: infra/helm of the clone that eph runs from."
KUBECONFIG = "The kubeconfig. Default: $KUBECONFIG, or the one in your home."
CONTEXT = "The kubeconfig's context. Default: its current one."

PERMISSIONS = (
    ("namespaces", "One for each environment. An admission policy restricts Eph to namespaces with its own mark."),
    ("rolebindings to one ClusterRole", "In each environment's namespace, Eph binds itself to the role below."),
    (
        "services, workloads, volumes, Secrets, network policies in those namespaces",
        "What an environment consists of. Eph can't read Secrets anywhere else.",
    ),
    ("pods, logs, events in those namespaces", "Health checks and logs."),
)
"""What the account of ephd can do, and why; docs/how-to/install.md has the details."""

NO_CHART = (
    "This installation of Eph doesn't contain the chart. Run eph from a clone, or name the chart's folder: "
    "--set chart=infra/helm"
)
NO_HELM = "helm isn't installed, and the chart needs it. Install it, or run make helm in a clone of Eph."


def place(namespace: str, context: str) -> str:
    return f"Kubernetes, {context or 'the current context'}, namespace {namespace}"


def no_values(path: object) -> str:
    return f"can't read the values {path}; write them first, as docs/how-to/install.md shows"


def helm_failed(last_line: str) -> str:
    return f"helm can't render the chart: {last_line}"
