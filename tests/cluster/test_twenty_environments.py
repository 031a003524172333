"""Twenty environments come and go, several at once: afterwards the cluster is the same as before (L2, L7, C2)."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from programs.targets.kubernetes.target import TARGET
from stacks.model import OperationResult, Outcome
from tests.cluster.cluster_access import Cluster
from tests.cluster.environments import DATABASE, OperationRunner, Page

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(900)]

NUMBERS = range(101, 121)
AT_ONCE = 4
EVERYTHING = "all,ingress,pvc,secret,configmap,networkpolicy,serviceaccount,resourcequota,limitrange,namespace"
"""Without events and leases, which the cluster itself creates and deletes."""


def all_objects(site: Cluster) -> set[str]:
    columns = "custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name,U:.metadata.uid"
    lines = site.kubectl("get", EVERYTHING, "-A", "--no-headers", "-o", columns).splitlines()
    return {" ".join(line.split()) for line in lines}


def failures(results: list[OperationResult]) -> list[tuple[str, tuple[str, ...]]]:
    return [(result.error, result.tail) for result in results if result.outcome is not Outcome.SUCCEEDED]


def test_after_twenty_environments_nothing_differs(eph: OperationRunner) -> None:
    before = all_objects(eph.site)
    commit = eph.repository.push({"a": "1"})
    specs = [eph.spec(number, commit) for number in NUMBERS]
    specs[0] = replace(specs[0], databases=(DATABASE,))
    began = time.monotonic()
    assert failures(eph.up_many(specs, AT_ONCE)) == []
    made = time.monotonic()
    assert len(TARGET.list_environments(eph.settings)) == len(NUMBERS)
    for spec in (specs[0], specs[-1]):
        assert commit in Page(eph.site, spec.host).wait_for_text()
    assert failures(eph.down_many(NUMBERS, AT_ONCE)) == []
    gone = time.monotonic()
    print(f"20 made in {made - began:.0f} s and gone in {gone - made:.0f} s, load {os.getloadavg()[0]:.0f}")
    assert eph.remaining() == []
    assert dict(eph.inventory.snapshot().stacks) == {}
    assert all_objects(eph.site) ^ before == set()
