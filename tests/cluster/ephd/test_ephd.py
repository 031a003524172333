"""A whole Eph with the target `kubernetes`: the real ephd with a sandbox forge and a real cluster (T2, P3, L5, L9).

Used only from outside: a label, pushes, a close; observed through the gateway and the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config import server_keys
from programs import registry
from tests.cluster.cluster_access import Cluster as Cluster
from tests.cluster.cluster_access import images
from tests.e2e.site import REPOSITORY, Site, wait_until

pytestmark = pytest.mark.real

CLUSTER_EPH_YAML = """
version: "1.0"
name: shop
target: kubernetes
environment:
  images:
    - {{name: shop, repository: {registry}/acme/shop, tag_template: "{{commit_sha:0:7}}", fallback_tag: v1}}
services:
  - {{name: web, image: shop, port: 8080, health: {{deadline: 60s}}{more}}}
database:
  instances:
    - {{name: main, template: {{strategy: seed, seed: {{scripts: [db/schema.sql]}}}}}}
"""
SCHEMA = "CREATE TABLE fruit (name text); INSERT INTO fruit VALUES ('apple');"


class ClusterSite(Site):
    def __init__(self, home: Path, cluster: Cluster) -> None:
        super().__init__(home)
        self.cluster = cluster

    def _toml(self) -> str:
        cluster = self.cluster
        return super()._toml() + (
            '[targets]\nallowed = ["local", "kubernetes"]\n'
            f'[kubernetes]\nkubeconfig = "{cluster.kubeconfig}"\ningress_url = "{cluster.ingress}"\n'
            f'ingress_class = "{cluster.ingress_class}"\ningress_namespace = "{cluster.ingress_namespace}"\n'
            f'pull_secret_file = "{cluster.pull_secret()}"\nplain_http = ["{cluster.registry}"]\n'
            f'postgres_image = "{cluster.registry}/library/postgres:{{version}}"\n'
        )

    def close(self) -> None:
        """Also what test suites of this target share on this machine."""
        try:
            super().close()
        finally:
            registry.get("kubernetes").stop({"root": str(self.eph_home / "kubernetes"), "server": "tests"})

    def files(self, more: str = "", **texts: str) -> dict[str, str]:
        file = CLUSTER_EPH_YAML.format(registry=self.cluster.registry, more=more)
        return {"eph.yaml": file, "db/schema.sql": SCHEMA, **texts}

    def namespaces(self) -> list[str]:
        """This server's own: others may be using the same cluster."""
        server = f"eph.dev/server=eph-{server_keys.server_id(self.eph_home / 'keys')}"
        return [item["metadata"]["name"] for item in self.cluster.get("namespaces", "-l", server)["items"]]

    def push_image(self, sha: str, version: str) -> str:
        """Returns the digest."""
        image = images().app(self.cluster.tools / "tools", version)
        return self.cluster.registry_client().push(image, "acme/shop", sha[:7])

    def running_image(self, namespace: str) -> str:
        found = self.cluster.get("deployment", "web", "-n", namespace)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.fixture
def eph(site: Cluster, home: Path) -> Iterator[ClusterSite]:
    made = ClusterSite(home, site)
    made.open()
    yield made
    made.close()


def test_a_pull_request_lives_on_kubernetes(eph: ClusterSite) -> None:
    number, sha = eph.open_pull("feature", eph.files())
    host = eph.wait_for_host(number, 150)
    name = host.partition(".")[0]
    wait_until("it answers", lambda: "" if f"commit {sha}" in eph.page(host).text else eph.page(host).text, 60)
    assert eph.page(host, "/query", sql="select name from fruit").text.strip() == "apple"
    assert eph.namespaces() == [name]
    eph.wait_for_comment(number, "Ready with fallback image v1")
    of_the_commit = f"{eph.cluster.registry}/acme/shop@{eph.push_image(sha, 'v2')}"
    wait_until("CI's image runs", lambda: "" if eph.running_image(name) == of_the_commit else "the fallback", 120)
    wait_until("and is no fallback", lambda: "fallback" if "fallback" in eph.comment(number) else "", 60)

    pushed = eph.forge.push(REPOSITORY, "feature", {"a": "2"})
    eph.push_image(pushed, "v2")
    wait_until("the push answers", lambda: "" if f"commit {pushed}" in eph.page(host).text else "the old one", 120)

    eph.cluster.kubectl("delete", "deployment,service", "web", "-n", name)
    eph.cluster.kubectl("wait", "--for=delete", "pod", "-l", "eph.dev/service=web", "-n", name, "--timeout=60s")
    wait_until(
        "what somebody removed is back", lambda: "" if f"commit {pushed}" in eph.page(host).text else "gone", 120
    )

    eph.forge.push(REPOSITORY, "feature", eph.files(more=", command: 'echo no luck; exit 7'"))
    wait_until(
        "the comment says why", lambda: "" if "exit status 7" in eph.comment(number) else eph.comment(number), 120
    )
    assert "no luck" in eph.comment(number)
    assert f"commit {pushed}" in eph.page(host).text, "the last good commit is still live"

    eph.forge.close_pull(REPOSITORY, number)
    wait_until("the namespace is gone", lambda: ", ".join(eph.namespaces()), 120)
    wait_until("the comment says so", lambda: "" if "Destroyed" in eph.comment(number) else eph.comment(number))
    assert list((eph.eph_home / "gateway" / "routes").glob("*.json")) == []
