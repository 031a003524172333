"""Failures on a real cluster: each ends in the right state, with a helpful message.

T2, P3, L7, L8. Failing workloads are detected within ten seconds. A stuck namespace, a server that doesn't respond and
invalid credentials are survived, reported, and over once their cause is.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from programs.inventory import DRIFTED
from programs.targets.kubernetes import settings
from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import rollout_wait, wording
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload
from programs.targets.kubernetes.target import TARGET
from tests.cluster.cluster_access import Cluster, wait_for
from tests.cluster.environments import OperationRunner, Page

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SOON = 10.0


@pytest.fixture(scope="module")
def namespace(site: Cluster) -> str:
    name = site.namespace("eph-trouble-words")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": name}}
    site.apply({**quota, "spec": {"hard": {"pods": "6", "requests.memory": "64Gi"}}})
    default = {"type": "Container", "defaultRequest": {"memory": "8Mi"}}
    ranged = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": name}}
    site.apply({**ranged, "spec": {"limits": [default]}})
    return name


def deployment(site: Cluster, space: str, name: str, **changes: Any) -> dict[str, Any]:
    container = {"name": "app", "image": f"{site.registry}/acme/shop:v1", **changes}
    pod = {"containers": [container], "imagePullSecrets": [{"name": "pull"}], "terminationGracePeriodSeconds": 0}
    spec = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space}, "spec": spec}


PROBE = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
"""A container without a health check is ready as soon as its process exists, even if that is about to exit."""
FAILING: dict[str, tuple[dict[str, Any], str, str]] = {
    "image": (
        {"image": "{registry}/acme/shop:never-pushed"},
        "can't pull the image .*never-pushed: .*not found",
        "",
    ),
    "crash": (
        {"command": ["sh", "-c", "echo last words; exit 3"], "readinessProbe": PROBE},
        "keeps crashing .*exit status 3",
        "last words",
    ),
    "place": ({"resources": {"requests": {"cpu": "900"}}}, "no node can run it: .*Insufficient cpu", ""),
    "quota": (
        {"resources": {"requests": {"memory": "65Gi"}}},
        "quota is exceeded: requested requests.memory=65Gi",
        "",
    ),
}


def timeout_seconds() -> float:
    """Ten seconds on a machine with an idle CPU; more under load."""
    return SOON * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.parametrize("name", FAILING)
def test_workload_that_cannot_become_ready_is_reported_within_ten_seconds(
    eph: OperationRunner, site: Cluster, namespace: str, name: str
) -> None:
    changes, words, last = FAILING[name]
    texts = json.loads(json.dumps(changes).replace("{registry}", site.registry))
    found = cluster.connect(settings.from_mapping(eph.settings))
    site.apply(deployment(site, namespace, name, **texts))
    began = time.monotonic()
    with pytest.raises(KubernetesError, match=words) as caught:
        rollout_wait.wait_until_ready(found, AwaitedWorkload(namespace, "Deployment", name, f"service {name}", 120))
    took = time.monotonic() - began
    site.kubectl("-n", namespace, "delete", "deployment", name)
    assert took < timeout_seconds()
    assert last in "\n".join(caught.value.tail), caught.value.tail
    assert caught.value.sentence.startswith(f"service {name}: ")


def test_first_pull_that_came_before_its_secret_is_not_the_end(
    eph: OperationRunner, site: Cluster, namespace: str
) -> None:
    """T6: the node doesn't have the Secret at the first pull, as if it had read it late, and has it at the second."""
    name, found = "early", cluster.connect(settings.from_mapping(eph.settings))
    data = deployment(site, namespace, name, imagePullPolicy="Always")
    data["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "late"}]
    site.apply(data)
    awaited = AwaitedWorkload(namespace, "Deployment", name, f"service {name}", 120)

    def is_pending() -> bool:
        early = rollout_wait.check_status(found, awaited)
        assert early.failure == ""
        return early.pending_reason == wording.CREDENTIALS_UNREAD

    wait_for(is_pending)
    pull = site.get("secret", "pull", "-n", namespace)
    site.apply({**pull, "metadata": {"name": "late", "namespace": namespace}})
    rollout_wait.wait_until_ready(found, awaited)
    site.kubectl("-n", namespace, "delete", "deployment", name)


@pytest.mark.parametrize(
    ("name", "port", "reason"),
    [
        ("sick", 8080, "its health check fails: "),
        ("deaf", 9999, "its health check fails: nothing listens on port 9999"),
    ],
)
def test_failing_health_check_is_reported_while_it_may_still_succeed(
    eph: OperationRunner, site: Cluster, namespace: str, name: str, port: int, reason: str
) -> None:
    """P3: its cause, too, where the kubelet says it."""
    probe = {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1}
    site.apply(deployment(site, namespace, name, env=[{"name": "BROKEN", "value": "1"}], readinessProbe=probe))
    found = cluster.connect(settings.from_mapping(eph.settings))
    awaited = AwaitedWorkload(namespace, "Deployment", name, f"service {name}", 120)
    wait_for(lambda: reason in rollout_wait.check_status(found, awaited).pending_reason, timeout_seconds())
    site.kubectl("-n", namespace, "delete", "deployment", name)


@pytest.mark.long
def test_namespace_kept_by_a_dead_controller_is_reported_and_removed_later(eph: OperationRunner) -> None:
    """L7: the record stays, every attempt reports what blocks it, and the next one after that ends it."""
    spec = eph.spec(71, eph.repository.push({"a": "1"}))
    eph.assert_succeeded(eph.up(spec))
    kept = {"name": "kept", "namespace": spec.name, "finalizers": ["example.com/nobody"]}
    eph.site.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept})
    eph.assert_failed(
        eph.down(71), "still being deleted", "example.com/nobody", f"kubectl get namespace {spec.name} -o yaml"
    )
    assert eph.record(71).name == spec.name
    let = json.dumps({"metadata": {"finalizers": None}})
    eph.site.kubectl("-n", spec.name, "patch", "configmap", "kept", "--type=merge", "-p", let)
    eph.assert_succeeded(eph.down(71))
    assert eph.remaining() == []


def test_invalid_credentials_are_reported_and_nothing_is_concluded(eph: OperationRunner, tmp_path: Path) -> None:
    spec = eph.spec(72, eph.repository.push({"a": "2"}))
    eph.assert_succeeded(eph.up(spec))
    good = eph.site.kubeconfig
    revoked = json.loads(eph.site.kubectl("config", "view", "--raw", "-o", "json"))
    revoked["users"] = [{"name": each["name"], "user": {"token": "revoked"}} for each in revoked["users"]]
    (tmp_path / "kubeconfig").write_text(json.dumps(revoked))
    eph.site.kubeconfig = str(tmp_path / "kubeconfig")
    try:
        for ask in (TARGET.list_environments, TARGET.list_resources):
            with pytest.raises(KubernetesError, match=r"denied GET .*Check the account's permissions"):
                ask(eph.settings)
        standing = TARGET.live_resources(eph.settings)
        assert standing.keys() <= {"Door", DRIFTED}, "kinds that may not be looked at are left out"
        eph.assert_failed(eph.up(eph.spec(72, eph.repository.push({"a": "3"}))), "Check the account's permissions")
        eph.assert_failed(eph.down(72), "Check the account's permissions")
        assert eph.record(72).name == spec.name
    finally:
        eph.site.kubeconfig = good
    assert spec.source.commit in Page(eph.site, spec.host).wait_for_text(), "what runs goes on"
    eph.assert_succeeded(eph.down(72))
    assert eph.remaining() == []
