"""What environments share on a real Kubernetes: a PostgreSQL with clones, and a Gateway (D1, D3, T2).

The Gateway API is a minimal definition of ours, and so is its controller, the test cluster's: a cluster without it is
reported; a route is created, leads to the pods, and is deleted with its environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from programs.spec import CommandSpec, DatabaseSpec, EnvironmentSpec
from programs.targets.kubernetes import shared_postgres
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.rendering import workloads
from programs.targets.kubernetes.settings import from_mapping
from stacks.model import Outcome
from tests.cluster.cluster_access import Cluster, wait_for
from tests.cluster.environments import OperationRunner, Page

pytestmark = pytest.mark.real
DATA = "eph-shared-data"
GROUP = "gateway.networking.k8s.io"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
ROUTES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": f"httproutes.{GROUP}",
        # The API server requires an approval annotation for definitions in that group.
        "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in of Eph's tests"},
    },
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": OPEN, "status": OPEN}}},
            }
        ],
    },
}
SERVER = DatabaseSpec("shared")
PREPARED = "CREATE TABLE fruit (id serial, name text); INSERT INTO fruit (name) VALUES ('apple'), ('pear')"
MAIN = DatabaseSpec(
    "main",
    strategy="template",
    source="shop",
    migrate=CommandSpec('psql "$DATABASE_URL" -c "ALTER TABLE fruit ADD x int"'),
)


@pytest.fixture(scope="module", autouse=True)
def without_gateway_api(site: Cluster) -> Iterator[None]:
    """Neither before nor after; a Gateway API that someone else installed isn't ours to remove."""
    if site.kubectl("get", "crd", f"httproutes.{GROUP}", "--ignore-not-found", "-o", "name"):
        pytest.skip("this cluster has the Gateway API already, and these tests define it anew")
    yield
    site.kubectl("delete", "crd", f"httproutes.{GROUP}", "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def admin_url(eph: OperationRunner) -> str:
    """The administrator's URL of a PostgreSQL in the cluster, with a prepared database."""
    site, on = eph.site, from_mapping(eph.settings)
    site.namespace(DATA)
    here, name = {"namespace": DATA}, object_names.database(SERVER)
    pull = site.get("secret", "pull", "-n", DATA)
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": object_names.ACCOUNT}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": "admin"}},
        {**pull, "metadata": {"name": object_names.PULL_SECRET}},
        workloads.postgres_service(SERVER),
        workloads.postgres_stateful_set(SERVER, on, {}),
    ]
    site.apply(*({**item, "metadata": {**item["metadata"], **here}} for item in objects))
    wait_for(lambda: site.get("statefulset", name, "-n", DATA)["status"].get("readyReplicas"), 200)
    address = site.get("service", name, "-n", DATA)["spec"]["clusterIP"]
    url = f"postgresql://app:admin@{address}:5432/app"
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE DATABASE prepared")
    with psycopg.connect(url, dbname="prepared", autocommit=True) as session:
        session.execute(PREPARED)
    return url


def shared_spec(eph: OperationRunner, server: str, number: int) -> EnvironmentSpec:
    settings = {
        **eph.settings,
        "postgres": server,
        "postgres_address": f"{object_names.database(SERVER)}.{DATA}.svc",
        "templates": "shop=prepared",
    }
    spec = eph.spec(number, eph.repository.push({"number": str(number)}), databases=(MAIN,))
    return replace(spec, settings=settings)


def test_missing_gateway_api_is_reported_and_then_a_route_works(eph: OperationRunner, admin_url: str) -> None:
    """And the database is a clone, the environment's own, reachable from its pods and from no others."""
    site = eph.site
    spec = shared_spec(eph, admin_url, 71)
    routed = replace(spec, settings={**spec.settings, "ingress_class": "", "gateway": f"{DATA}/edge"})
    refused = eph.up(routed)
    assert refused.outcome is Outcome.FAILED
    assert f"doesn't support HTTPRoutes ({GROUP}/v1)" in refused.error
    site.apply(ROUTES)
    site.kubectl("wait", "--for=condition=Established", f"crd/httproutes.{GROUP}", "--timeout=60s")
    eph.assert_succeeded(eph.up(routed))
    (route,) = site.get("httproutes", "-n", spec.name)["items"]
    assert route["spec"]["hostnames"] == [spec.host]
    assert route["metadata"]["labels"][object_names.ENVIRONMENT] == spec.name
    assert site.get("ingresses", "-n", spec.name)["items"] == []
    assert f"commit {spec.source.commit}" in Page(site, spec.host).wait_for_text(), "nothing else leads there"
    assert run_in_pod(site, spec, 'psql "$DATABASE_URL" -Atc "SELECT count(*), count(x) FROM fruit"') == "2|0"
    own = shared_postgres.database_name(spec.name, MAIN)
    assert own in run_in_pod(site, spec, 'psql "$DATABASE_URL" -Atc "SELECT current_user"')
    other = shared_postgres.create(str(eph.folder / "root"), "another", "eph_another", "prepared")
    assert other
    elsewhere = 'psql "${DATABASE_URL%/*}/eph_another" -Atc "SELECT 1" 2>&1 || true'
    assert "permission denied" in run_in_pod(site, spec, elsewhere)
    assert admin_url not in "\n".join(eph.progress) + eph.log(71)


def test_clone_is_removed_with_its_environment(eph: OperationRunner, admin_url: str) -> None:
    eph_settings = shared_spec(eph, admin_url, 71).settings
    eph.assert_succeeded(eph.down(71))
    with psycopg.connect(admin_url, autocommit=True) as session:
        left = session.execute("SELECT datname FROM pg_database WHERE datname LIKE 'eph_%'").fetchall()
    assert left == [("eph_another",)]
    shared_postgres.drop_all(from_mapping(eph_settings), "another")
    assert shared_postgres.list_owned(from_mapping(eph_settings)) == []
    assert eph.remaining() == []


def run_in_pod(site: Cluster, spec: EnvironmentSpec, command: str) -> str:
    """The output of a command inside the service's pod."""
    return str(site.kubectl("-n", spec.name, "exec", "deploy/web", "--", "sh", "-c", command)).strip()
