"""What eph.yaml may say of services beyond the plain ones, on a real Kubernetes, and how it ends (T2, Y2).

One environment; the tests stand on each other in this order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from programs.kubernetes.target import TARGET
from programs.spec import Command, EnvironmentSpec, Health, Hooks, ServiceSpec
from stacks.model import OperationResult, Outcome
from tests.cluster.environments import DATABASE, SCHEMA, Eph, Page
from tests.cluster.machines import Site

pytestmark = pytest.mark.real
NUMBER = 61


@pytest.fixture(scope="module")
def eph(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eph]:
    made = Eph(site, tmp_path_factory.mktemp("services"), server="eph-services-tests")
    made.repository.push({"db/schema.sql": SCHEMA})
    yield made
    for name in TARGET.names(made.settings):
        TARGET.purge(name, made.settings)


@pytest.fixture(scope="module")
def shop(eph: Eph) -> EnvironmentSpec:
    api = ServiceSpec("api", "sleep 2; exec tools serve", public=False, image="shop", port=9000)
    web = ServiceSpec(
        "web",
        "echo first > /data/first; exec tools serve",
        image="shop",
        port=8080,
        health=Health(deadline=60),
        after=("api",),
        volumes={"/data": "32Mi"},
        resources={"cpu": "250m", "memory": "64Mi"},
    )
    tick = ServiceSpec("tick", "echo ticked $EPH_ENVIRONMENT", public=False, image="shop", schedule="* * * * *")
    hooks = Hooks(
        pre_create=(Command('psql "$DATABASE_URL" -c "CREATE TABLE hook (name text)"', 60),),
        post_create=(Command("tools fetch http://web/ >/dev/null", 60),),
        pre_destroy=(
            Command('echo last words; psql "$DATABASE_URL" -c "SELECT count(*) FROM fruit"', 30),
            Command("echo hanging; exec sleep 600", 5),
        ),
    )
    commit = eph.repository.push({"a": "1"})
    return eph.spec(NUMBER, commit, services=(web, api, tick), databases=(DATABASE,), hooks=hooks)


def well(result: OperationResult, eph: Eph) -> None:
    assert result.outcome is Outcome.SUCCEEDED, (result.error, result.step, result.tail, eph.told[-20:])


def test_services_start_in_order_with_volumes_shares_and_hooks(eph: Eph, shop: EnvironmentSpec) -> None:
    well(eph.up(shop), eph)
    page = Page(eph.site, shop.host)
    assert f"commit {shop.source.commit}" in page.text()
    assert page.text("/query", sql="select count(*) from hook") == "0"
    (web,), (api,) = (
        eph.site.get("pods", "-n", shop.name, "-l", f"eph.dev/service={name}")["items"] for name in ("web", "api")
    )
    ready = next(item for item in api["status"]["conditions"] if item["type"] == "Ready")
    assert web["metadata"]["creationTimestamp"] >= ready["lastTransitionTime"], "after the one that it waits for"
    assert eph.site.kubectl("-n", shop.name, "exec", web["metadata"]["name"], "--", "cat", "/data/first") == "first\n"
    assert web["spec"]["containers"][0]["resources"]["limits"]["memory"] == "64Mi"


def test_last_words_are_said_and_a_silent_one_holds_nothing_up(eph: Eph, shop: EnvironmentSpec) -> None:
    """The hook before a destroy runs while its database is there; one that hangs is ended, and the environment goes."""
    jobs = eph.site.get("cronjobs", "-n", shop.name)["items"]
    assert [(item["metadata"]["name"], item["spec"]["timeZone"]) for item in jobs] == [("tick", "Etc/UTC")]
    started = time.monotonic()
    well(eph.down(NUMBER), eph)
    assert time.monotonic() - started < 240, "not for the ten minutes that the hook would take"
    said = "\n".join(eph.told) + eph.log(NUMBER)
    assert "pre-destroy 1 | last words" in said, said
    assert "pre-destroy 2: it took longer than it may" in said
    assert eph.left() == []
