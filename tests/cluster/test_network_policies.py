"""The test cluster enforces NetworkPolicy: without that, the isolation tests would prove nothing (S3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.cluster_access import Cluster, wait_for

ONE, TWO = "eph-test-one", "eph-test-two"
METADATA = "169.254.169.254:80"


def policy(name: str, selector: dict[str, Any], **rules: Any) -> dict[str, Any]:
    types = [key.capitalize() for key in rules]
    spec = {"podSelector": selector, "policyTypes": types, **{key: value for key, value in rules.items() if value}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": TWO},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def pods(site: Cluster) -> Iterator[dict[str, str]]:
    site.namespace(ONE, team="red")
    site.namespace(TWO, team="blue")
    yield {**site.create_pods(ONE, "near"), **site.create_pods(TWO, "shop", "other")}
    site.kubectl("delete", "namespace", ONE, TWO, "--wait=false")


@pytest.fixture
def clean_policies(site: Cluster, pods: dict[str, str]) -> Iterator[Cluster]:
    yield site
    site.kubectl("delete", "networkpolicy", "--all", "-n", TWO)


def wait_for_reachability(site: Cluster, expected: dict[tuple[str, str, str], bool]) -> None:
    """Rules follow a policy within a moment, and then apply to all connections at once."""

    def seen() -> dict[tuple[str, str, str], bool]:
        return {way: site.can_connect(*way) for way in expected}

    wait_for(lambda: seen() == expected, 30)


def test_without_a_policy_everything_is_reachable(clean_policies: Cluster, pods: dict[str, str]) -> None:
    wait_for_reachability(
        clean_policies,
        {
            (ONE, "near", f"{pods['shop']}:8080"): True,
            (TWO, "shop", f"{pods['near']}:8080"): True,
            (TWO, "shop", METADATA): True,
            (TWO, "shop", "10.96.0.1:443"): True,
        },
    )


def test_default_deny_blocks_both_directions_and_keeps_probes(clean_policies: Cluster, pods: dict[str, str]) -> None:
    clean_policies.apply(policy("deny", {}, ingress=None, egress=None))
    wait_for_reachability(
        clean_policies,
        {
            (ONE, "near", f"{pods['shop']}:8080"): False,
            (TWO, "other", f"{pods['shop']}:8080"): False,
            (TWO, "shop", f"{pods['near']}:8080"): False,
            (TWO, "shop", METADATA): False,
            (TWO, "shop", "10.96.0.1:443"): False,
        },
    )
    conditions = clean_policies.get("pod", "shop", "-n", TWO)["status"]["conditions"]
    assert {item["type"]: item["status"] for item in conditions}["Ready"] == "True"


def test_pods_namespaces_and_ports_are_distinguished(clean_policies: Cluster, pods: dict[str, str]) -> None:
    red = {"namespaceSelector": {"matchLabels": {"team": "red"}}, "podSelector": {"matchLabels": {"app": "near"}}}
    clean_policies.apply(
        policy("named", {"matchLabels": {"app": "shop"}}, ingress=[{"from": [red], "ports": [{"port": "http"}]}])
    )
    wait_for_reachability(
        clean_policies, {(ONE, "near", f"{pods['shop']}:8080"): True, (TWO, "other", f"{pods['shop']}:8080"): False}
    )
    clean_policies.apply(
        policy("named", {"matchLabels": {"app": "shop"}}, ingress=[{"from": [red], "ports": [{"port": 81}]}])
    )
    wait_for_reachability(
        clean_policies, {(ONE, "near", f"{pods['shop']}:8080"): False, (ONE, "near", f"{pods['other']}:8080"): True}
    )
    clean_policies.apply(policy("named", {"matchLabels": {"app": "shop"}}, ingress=[{"from": [{"podSelector": {}}]}]))
    wait_for_reachability(
        clean_policies, {(ONE, "near", f"{pods['shop']}:8080"): False, (TWO, "other", f"{pods['shop']}:8080"): True}
    )


def test_networks_and_their_exceptions(clean_policies: Cluster, pods: dict[str, str]) -> None:
    """What every environment gets: the internet, but no private networks."""
    outside = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", f"{pods['near']}/32"]}}
    clean_policies.apply(policy("out", {"matchLabels": {"app": "shop"}}, egress=[{"to": [outside]}]))
    wait_for_reachability(
        clean_policies,
        {
            (TWO, "shop", f"{pods['other']}:8080"): True,
            (TWO, "shop", f"{pods['near']}:8080"): False,
            (TWO, "shop", METADATA): False,
            (TWO, "other", METADATA): True,
        },
    )
