"""A repository's own manifests on a real Kubernetes: an overlay is applied, and an exceeded quota is reported (T2,
S3)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from stacks.model import Outcome
from tests.cluster import published_routes
from tests.cluster.cluster_access import wait_for
from tests.cluster.environments import OperationRunner, Page

pytestmark = pytest.mark.real

FILES = {
    "k8s/base/kustomization.yaml": "resources: [web.yaml]\n",
    "k8s/base/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: app
        image: shop
        ports: [{name: http, containerPort: 8080}]
        envFrom: [{configMapRef: {name: conf}}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: http}]}
""",
    "k8s/preview/kustomization.yaml": """
resources: [../base]
configMapGenerator: [{name: conf, literals: [COLOUR=blue]}]
""",
}


def test_overlay_is_applied_and_excess_is_reported(eph: OperationRunner) -> None:
    spec = eph.spec(7, eph.repository.push(FILES), services=(), manifests=("k8s/preview",))
    result = eph.up(spec)
    assert result.outcome is Outcome.SUCCEEDED, (result.error, result.tail)
    page = Page(eph.site, spec.host)
    assert page.wait_for_text("/env", name="COLOUR") == "blue"
    (pod,) = eph.site.get("pods", "-n", spec.name)["items"]
    assert "@sha256:" in pod["spec"]["containers"][0]["image"]
    greedy = replace(spec, source=replace(spec.source, commit=eph.repository.push(_over_quota_files())))
    refused = eph.up(greedy)
    assert refused.outcome is Outcome.FAILED
    assert "quota is exceeded" in refused.error
    assert page.wait_for_text("/env", name="COLOUR") == "blue"
    assert eph.down(7).outcome is Outcome.SUCCEEDED
    assert eph.remaining() == []


def _over_quota_files() -> dict[str, str]:
    """Two more containers, each as large as allowed: with the first one they exceed twice the environment's limit."""
    more = "".join(f"      - {{name: {name}, image: shop, resources: {{limits: {{memory: 4Gi}}}}}}\n" for name in "ab")
    return {"k8s/base/web.yaml": FILES["k8s/base/web.yaml"].replace("---\n", f"{more}---\n", 1)}


def test_paths_of_published_routes_lead_from_the_gateways_pod_to_their_services(eph: OperationRunner) -> None:
    """T2, with front = "eph": the addresses in the gateway's routes answer in a pod with its labels, and no other."""
    front = eph.site.namespace("eph-front-words")
    eph.site.create_pods(front, "front", "other")
    own = {"front": "eph", "front_namespace": front, "front_labels": "app=front", "ingress_class": ""}
    commit = eph.repository.push({"k8s/all.yaml": published_routes.manifests()})
    spec = eph.spec(8, commit, services=(), manifests=("k8s",), settings={**eph.settings, **own})
    eph.assert_succeeded(eph.up(spec))
    expected = {
        spec.host: {"/": "web", "/api": "api", "/about": "docs"},
        f"docs--{spec.host}": {"/": "docs", "/v1": "api"},
    }
    for host, services in expected.items():
        found = upstreams(eph, host)
        assert found.keys() == services.keys()
        for path, service in services.items():
            wait_for(partial(answers, eph, front, found[path] + path, service))
            assert not eph.site.can_connect(front, "other", found[path].removeprefix("http://"))
    eph.assert_succeeded(eph.down(8))
    assert eph.remaining() == []


def upstreams(eph: OperationRunner, host: str) -> dict[str, str]:
    """By path, as the gateway reads them."""
    route = json.loads((Path(eph.settings["routes"]) / f"{host}.json").read_text())
    return {"/": route["upstream"], **{item["path"]: item["upstream"] for item in route["paths"]}}


def answers(eph: OperationRunner, front: str, url: str, service: str) -> bool:
    return published_routes.answering_service(eph.site.fetch_from(front, "front", url)) == service
