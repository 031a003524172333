"""A repository's own manifests on a real Kubernetes: an overlay is applied, and an exceeded quota is reported (T2,
S3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stacks.model import Outcome
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
