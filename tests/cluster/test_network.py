"""The test cluster enforces NetworkPolicy: without that, whatever the tests of isolation find proves nothing (S3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.machines import Site, eventually

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
def pods(site: Site) -> Iterator[dict[str, str]]:
    site.namespace(ONE, team="red")
    site.namespace(TWO, team="blue")
    yield {**site.pods(ONE, "near"), **site.pods(TWO, "shop", "other")}
    site.kubectl("delete", "namespace", ONE, TWO, "--wait=false")


@pytest.fixture
def two(site: Site, pods: dict[str, str]) -> Iterator[Site]:
    yield site
    site.kubectl("delete", "networkpolicy", "--all", "-n", TWO)


def settles(site: Site, expected: dict[tuple[str, str, str], bool]) -> None:
    """Rules follow a policy within a moment, and then hold for every way at once."""

    def seen() -> dict[tuple[str, str, str], bool]:
        return {way: site.reaches(*way) for way in expected}

    eventually(lambda: seen() == expected, 30)


def test_without_a_policy_everything_is_reached(two: Site, pods: dict[str, str]) -> None:
    settles(
        two,
        {
            (ONE, "near", f"{pods['shop']}:8080"): True,
            (TWO, "shop", f"{pods['near']}:8080"): True,
            (TWO, "shop", METADATA): True,
            (TWO, "shop", "10.96.0.1:443"): True,
        },
    )


def test_default_deny_shuts_in_and_out_and_keeps_probes(two: Site, pods: dict[str, str]) -> None:
    two.apply(policy("deny", {}, ingress=None, egress=None))
    settles(
        two,
        {
            (ONE, "near", f"{pods['shop']}:8080"): False,
            (TWO, "other", f"{pods['shop']}:8080"): False,
            (TWO, "shop", f"{pods['near']}:8080"): False,
            (TWO, "shop", METADATA): False,
            (TWO, "shop", "10.96.0.1:443"): False,
        },
    )
    conditions = two.get("pod", "shop", "-n", TWO)["status"]["conditions"]
    assert {item["type"]: item["status"] for item in conditions}["Ready"] == "True"


def test_pods_namespaces_and_ports_are_told_apart(two: Site, pods: dict[str, str]) -> None:
    red = {"namespaceSelector": {"matchLabels": {"team": "red"}}, "podSelector": {"matchLabels": {"app": "near"}}}
    two.apply(policy("named", {"matchLabels": {"app": "shop"}}, ingress=[{"from": [red], "ports": [{"port": "http"}]}]))
    settles(two, {(ONE, "near", f"{pods['shop']}:8080"): True, (TWO, "other", f"{pods['shop']}:8080"): False})
    two.apply(policy("named", {"matchLabels": {"app": "shop"}}, ingress=[{"from": [red], "ports": [{"port": 81}]}]))
    settles(two, {(ONE, "near", f"{pods['shop']}:8080"): False, (ONE, "near", f"{pods['other']}:8080"): True})
    two.apply(policy("named", {"matchLabels": {"app": "shop"}}, ingress=[{"from": [{"podSelector": {}}]}]))
    settles(two, {(ONE, "near", f"{pods['shop']}:8080"): False, (TWO, "other", f"{pods['shop']}:8080"): True})


def test_networks_and_their_exceptions(two: Site, pods: dict[str, str]) -> None:
    """What every environment gets: the world, but not what is private."""
    outside = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", f"{pods['near']}/32"]}}
    two.apply(policy("out", {"matchLabels": {"app": "shop"}}, egress=[{"to": [outside]}]))
    settles(
        two,
        {
            (TWO, "shop", f"{pods['other']}:8080"): True,
            (TWO, "shop", f"{pods['near']}:8080"): False,
            (TWO, "shop", METADATA): False,
            (TWO, "other", METADATA): True,
        },
    )
