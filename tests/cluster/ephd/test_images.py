"""CI that pushes later, on a real cluster with a real private registry: waited for, found, pinned (I1, I2, L3).

The real ephd, observed from outside: the comment, `eph list`, the image in the Deployment.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster_access import Cluster as Cluster
from tests.cluster.ephd.test_ephd import CLUSTER_EPH_YAML, SCHEMA, ClusterSite
from tests.e2e.site import REPOSITORY, wait_until

pytestmark = pytest.mark.real


class CommitTagSite(ClusterSite):
    """Its eph.yaml contains only the commit's tag."""

    def files(self, more: str = "", **texts: str) -> dict[str, str]:
        file = CLUSTER_EPH_YAML.format(registry=self.cluster.registry, more=more).replace(", fallback_tag: v1", "")
        return {"eph.yaml": file, "db/schema.sql": SCHEMA, **texts}


@pytest.fixture
def eph(site: Cluster, home: Path) -> Iterator[CommitTagSite]:
    made = CommitTagSite(home, site)
    made.open()
    yield made
    made.close()


@pytest.mark.timeout(900)  # two builds and two lives of ephd
def test_pull_request_waits_for_ci_and_runs_what_it_pushed(eph: CommitTagSite) -> None:
    number, sha = eph.open_pull("feature", eph.files())
    eph.wait_for_comment(number, "Waiting for image", f"{sha[:7]} not found in the registry", "at the latest")
    assert "waiting for image" in eph.eph("list").stdout
    assert eph.stacks() == []

    digest = eph.push_image(sha, "v1")
    host = eph.wait_for_host(number, 150)
    name = host.partition(".")[0]
    wait_until("it answers", lambda: "" if f"commit {sha}" in eph.page(host).text else eph.page(host).text, 60)
    pinned = f"{eph.cluster.registry}/acme/shop@{digest}"
    assert eph.running_image(name) == pinned
    assert f"image shop is {pinned}, found by tag_template: {sha[:7]}" in eph.eph("why", name).stdout

    eph.push_image(sha, "v2")  # the tag moves, and ephd restarts
    eph.kill()
    eph.start()
    wait_until("it is ready", lambda: "" if "ready" in eph.eph("list").stdout else eph.eph("list").stdout, 60)
    assert eph.running_image(name) == pinned

    pushed = eph.forge.push(REPOSITORY, "feature", {"a": "2"})
    eph.wait_for_comment(number, "Waiting for image", "is still live")
    assert f"commit {sha}" in eph.page(host).text
    newer = eph.push_image(pushed, "v2")
    wait_until("the push answers", lambda: "" if f"commit {pushed}" in eph.page(host).text else "the old one", 120)
    assert eph.running_image(name) == f"{eph.cluster.registry}/acme/shop@{newer}"

    eph.forge.close_pull(REPOSITORY, number)
    wait_until("the namespace is gone", lambda: name if name in eph.namespaces() else "", 120)
