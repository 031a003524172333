"""The conformance suite on a real Kubernetes, with the real plugin. Row: T6.

The page shows the variable EPH_COMMIT, so each commit's command sets it to another text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.conformance.suite import Commit, TargetConformance
from tests.cluster.cluster_access import Cluster

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]

EPH_YAML = """
version: "1.0"
name: shop
target: kubernetes
environment:
  images: [{name: shop, repository: registry.test/acme/shop, tag_template: "{commit_sha:0:12}"}]
services:
  - {name: web, image: shop, port: 8080, command: "COMMAND", health: {path: /healthz, deadline: 30s}}
"""


def commit(command: str, answers: str = "") -> Commit:
    return Commit({"eph.yaml": EPH_YAML.replace("COMMAND", f"{command} exec tools serve")}, answers)


class TestKubernetes(TargetConformance):
    target = "kubernetes"
    first = commit("EPH_COMMIT=the-first-page", "the-first-page")
    second = commit("EPH_COMMIT=the-second-page", "the-second-page")
    broken = commit("BROKEN=yes")


@pytest.fixture(scope="class")
def conformance_settings(request: pytest.FixtureRequest, site: Cluster) -> Mapping[str, Any]:
    request.cls.images = {"shop": site.image("acme/shop:v1")}
    return {
        "kubeconfig": site.kubeconfig,
        "ingress_class": site.ingress_class,
        "ingress_namespace": site.ingress_namespace,
        "ingress_url": site.ingress,
        "postgres_image": f"{site.registry}/library/postgres:{{version}}",
        "pull_secret_file": site.pull_secret(),
        "plain_http": (site.registry,),
    }
