"""CI that pushes later, on a real cluster with a real private registry: waited for, found, pinned (I1, I2, L3).

The real ephd, asked from outside: the comment, `eph list`, the image that the Deployment names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.machines import Site as Cluster
from tests.cluster.test_ephd import FILE, SCHEMA, OnCluster
from tests.e2e.site import REPOSITORY, until

pytestmark = pytest.mark.real


class Waiting(OnCluster):
    """Its eph.yaml names the tag of the commit and nothing else."""

    def files(self, more: str = "", **texts: str) -> dict[str, str]:
        file = FILE.format(registry=self.cluster.registry, more=more).replace(", fallback_tag: v1", "")
        return {"eph.yaml": file, "db/schema.sql": SCHEMA, **texts}

    def image(self, namespace: str) -> str:
        found = self.cluster.get("deployment", "web", "-n", namespace)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.fixture
def eph(site: Cluster, home: Path) -> Iterator[Waiting]:
    made = Waiting(home, site)
    made.open()
    yield made
    made.close()


@pytest.mark.timeout(900)  # two builds and two lives of ephd
def test_a_pull_request_waits_for_ci_and_runs_what_it_pushed(eph: Waiting) -> None:
    number, sha = eph.open_pull("feature", eph.files())
    eph.told(number, "Waiting for image", f"{sha[:7]} is not in its registry", "at most until")
    assert "waiting for image" in eph.eph("list").stdout
    assert eph.stacks() == []

    digest = eph.ci_pushes(sha, "v1")
    host = eph.told_host(number, 150)
    name = host.partition(".")[0]
    until("it answers", lambda: "" if f"commit {sha}" in eph.page(host).text else eph.page(host).text, 60)
    pinned = f"{eph.cluster.registry}/acme/shop@{digest}"
    assert eph.image(name) == pinned
    assert f"image shop is {pinned}, by tag_template: {sha[:7]}" in eph.eph("why", name).stdout

    eph.ci_pushes(sha, "v2")  # the tag is moved, and ephd begins another life
    eph.kill()
    eph.start()
    until("it is ready", lambda: "" if "ready" in eph.eph("list").stdout else eph.eph("list").stdout, 60)
    assert eph.image(name) == pinned

    pushed = eph.forge.push(REPOSITORY, "feature", {"a": "2"})
    eph.told(number, "Waiting for image", "still answers")
    assert f"commit {sha}" in eph.page(host).text
    newer = eph.ci_pushes(pushed, "v2")
    until("the push answers", lambda: "" if f"commit {pushed}" in eph.page(host).text else "the old one", 120)
    assert eph.image(name) == f"{eph.cluster.registry}/acme/shop@{newer}"

    eph.forge.close_pull(REPOSITORY, number)
    until("the namespace is gone", lambda: name if name in eph.namespaces() else "", 120)
