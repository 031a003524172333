"""The attacks of ``make attack-cluster`` can succeed: without a guard, one does. S3."""

from __future__ import annotations

import pytest

from tests.attack.missing_guards import CLUSTER_GUARD, run_without
from tests.cluster.cluster_access import Cluster

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1200)]


def test_without_the_guard_the_attack_succeeds(site: Cluster) -> None:
    done = run_without(CLUSTER_GUARD, "--cluster", timeout=1100)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "attack: 1 tried, 1 succeeded" in done.stdout, done.stdout + done.stderr
