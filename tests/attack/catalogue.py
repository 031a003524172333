"""All attacks, in the order in which they are tried: cleanup ends the attacker's own environment, so it is last."""

from __future__ import annotations

from tests.attack.cluster import admission, containers, pod_network, pull_requests, removal, suites
from tests.attack.families import (
    api,
    cleanup,
    databases,
    eph_yaml,
    forks,
    gateway,
    gateway_requests,
    limits,
    manifests,
    pages,
    sandbox,
    shared_postgres,
    sharing,
    sign_in,
    webhooks,
)  # fmt: skip

FAMILIES = (
    manifests.FAMILY, eph_yaml.FAMILY, webhooks.FAMILY, api.FAMILY, sign_in.FAMILY, gateway_requests.FAMILY,
    gateway.FAMILY, sharing.FAMILY, pages.FAMILY, forks.FAMILY, sandbox.FAMILY, databases.FAMILY,
    shared_postgres.FAMILY, limits.FAMILY, cleanup.FAMILY,
)  # fmt: skip
ATTACKS = tuple(attack for family in FAMILIES for attack in family.attacks)

CLUSTER_FAMILIES = (
    admission.FAMILY, containers.FAMILY, pod_network.FAMILY, suites.FAMILY, pull_requests.FAMILY, removal.FAMILY,
)  # fmt: skip
CLUSTER_ATTACKS = tuple(attack for family in CLUSTER_FAMILIES for attack in family.attacks)
"""Those that need a cluster."""
