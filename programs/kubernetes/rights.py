"""The server's own rights in an environment's namespace, where its account has none beyond that.

An account that may read and write every namespace's secrets is more than a server of previews should have. So the
account of a server in a cluster may make namespaces with our mark, and bind itself one ClusterRole in them; what that
role allows, it may there and nowhere else (infra/helm). The binding comes before anything else is made or looked at: in
a namespace that is gone, or was made anew behind our back, the cluster answers 'forbidden' instead of 'not there', and
nothing could be mended. It goes with the namespace.
"""

from __future__ import annotations

import time

from programs.kubernetes import names
from programs.kubernetes.cluster import Cluster, Data, Missing, connect
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import Settings

BINDING = f"{names.PREFIX}server"
RBAC = "rbac.authorization.k8s.io"
SECONDS = 30.0
EVERY = 0.1
_AGREED = 3
"""Times in a row: behind one address several API servers may answer, and each hears of a binding for itself."""


def enter(name: str, on: Settings) -> None:
    """The namespace is there, and ours, and we may work in it; nothing to do where the account may anyway."""
    if not on.role:
        return
    cluster, namespace = connect(on), names.namespace(name)
    _own(cluster, namespace, on)
    try:
        cluster.get(f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings/{BINDING}")
    except Missing:
        cluster.post(f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings", binding(on))
    _await_allowed(cluster, namespace, on)


def binding(on: Settings) -> Data:
    namespace, _, account = on.account.partition("/")
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BINDING, "labels": marks(on)},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": on.role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def marks(on: Settings) -> dict[str, str]:
    return {names.MANAGED: "eph", names.SERVER: names.value(on.server)}


def _own(cluster: Cluster, namespace: str, on: Settings) -> None:
    """A namespace that only has our name is somebody else's."""
    try:
        labels = cluster.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels") or {}
    except Missing:
        cluster.post(
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": marks(on)}},
        )
        return
    if marks(on).items() - labels.items():
        raise KubernetesError(
            f"there is a namespace {namespace} that is not this server's; an operator looks with: "
            f"kubectl get namespace {namespace} --show-labels"
        )


def _await_allowed(cluster: Cluster, namespace: str, on: Settings) -> None:
    deadline, agreed = time.monotonic() + SECONDS, 0
    asked = {"namespace": namespace, "verb": "create", "resource": "secrets"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    while agreed < _AGREED:
        said = cluster.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        agreed = agreed + 1 if said.get("status", {}).get("allowed") else 0
        if time.monotonic() > deadline:
            raise KubernetesError(
                f"the account {on.account} has no rights in namespace {namespace}, although {BINDING} there binds it "
                f"to {on.role}; an operator looks with: kubectl describe clusterrole {on.role}"
            )
        time.sleep(0 if agreed else EVERY)
