"""Label deploys on Kubernetes that start with their first request while ephd or the gateway is killed (M4, L2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster_access import Cluster as Cluster
from tests.cluster.ephd.test_ephd import ClusterSite
from tests.e2e import cold_requests
from tests.e2e.cold_requests import Victim
from tests.e2e.site import REPOSITORY, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def eph(site: Cluster, home: Path) -> Iterator[ClusterSite]:
    made = ClusterSite(home, site)
    made.open()
    made.forge.push(REPOSITORY, "feat", made.files())
    wait_until("ephd has read the repositories", lambda: "" if made.eph("list").returncode == 0 else "no", 90)
    yield made
    made.close()


@pytest.mark.parametrize("victim", ["ephd", "gateway"])
def test_a_kill_between_request_and_answer_starts_it_once_and_hangs_nothing(eph: ClusterSite, victim: Victim) -> None:
    host, name = cold_requests.deploy(eph, f"killed-{victim}", "feat")
    assert eph.cluster.pods_created(name, "web") == 0
    cold_requests.check_a_kill(eph, host, victim)
    assert eph.cluster.pods_created(name, "web") == 1
    assert eph.eph("down", f"{REPOSITORY}:killed-{victim}", "--yes").returncode == 0
    wait_until("the namespace is gone", lambda: ", ".join(eph.namespaces()), 120)
