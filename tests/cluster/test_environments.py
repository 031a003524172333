"""Environments on a real Kubernetes, with the real plugin: created, live, updated in place, broken, destroyed.

T2, T7 (outputs), D1 (empty, seed), D2, D3, P3, S3 (isolation, tried from inside a pod). One module, because each
operation takes seconds: the tests depend on each other in this order.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from programs.runtime_info import LogRequest, NoSuchLog
from programs.spec import EnvironmentSpec, HealthCheck, ServiceSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.target import TARGET
from stacks.model import Outcome
from tests.cluster.cluster_access import wait_for
from tests.cluster.environments import DATABASE, OperationRunner, Page, PageMonitor

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def first_spec(eph: OperationRunner) -> EnvironmentSpec:
    """A shop of four services and a database."""
    web = ServiceSpec("web", "", health=HealthCheck(deadline=90), image="shop", port=8080, after=("api",))
    api = ServiceSpec("api", "exec tools serve", public=False, image="shop", port=9000, env={"WHO": "api"})
    worker = ServiceSpec("worker", "echo working for $(echo $COLOUR)$$; exec sleep 3600", public=False, image="shop")
    nightly = ServiceSpec("nightly", "true", public=False, image="shop", schedule="0 3 * * *")
    spec = eph.spec(1, eph.repository.push({"a": "1"}), services=(web, api, worker, nightly), databases=(DATABASE,))
    return replace(spec, env={"COLOUR": "green", "PRICE": "5 $$ or $(COLOUR)"})


def test_environment_is_created_and_responds(eph: OperationRunner, first_spec: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.up(first_spec))
    page = Page(eph.site, first_spec.host)
    assert f"commit {first_spec.source.commit}" in page.wait_for_text()
    rows = page.wait_for_text("/query", sql="select name from fruit order by 1")
    assert set(rows.splitlines()) == {"apple", "pear", first_spec.source.commit}
    assert [
        page.wait_for_text("/env", name=name)
        for name in ("COLOUR", "PRICE", "EPH_ENVIRONMENT", "PREVIEW_URL", "API_URL")
    ] == [
        "green",
        "5 $$ or $(COLOUR)",
        first_spec.name,
        f"http://{first_spec.host}",
        "http://api",
    ]
    assert page.wait_for_text("/fetch", url="http://api/env?name=WHO") == "200 api"
    assert re.fullmatch(
        r"working for green\d+", TARGET.logs(first_spec.name, eph.settings, LogRequest("worker", 10)).lines[0]
    )
    assert any(
        line.startswith("worker | ") for line in TARGET.logs(first_spec.name, eph.settings, LogRequest(lines=10)).lines
    )
    told = TARGET.logs(first_spec.name, eph.settings, LogRequest(lines=10))
    password = urlsplit(page.wait_for_text("/env", name="DATABASE_URL")).password
    page.wait_for_text(f"/{password}")  # the app prints each requested path
    later = wait_for(lambda: TARGET.logs(first_spec.name, eph.settings, LogRequest(since=told.positions)).lines, 20)
    assert "web | GET /***" in later
    assert not set(later) & set(told.lines), "a follower is told nothing twice"
    with pytest.raises(NoSuchLog, match=r"api, eph-db-main-[0-9a-f]+, eph-run"):
        TARGET.logs(first_spec.name, eph.settings, LogRequest("nothing"))
    inside = TARGET.inspect(first_spec.name, eph.settings)
    states = {item.service: (item.state, item.restarts) for item in inside.processes}
    assert {states[name] for name in ("web", "api", "worker")} == {("running", 0)}
    assert any(item.message == "image pulled" for item in inside.events)
    built = eph.record(1).built
    assert built is not None
    assert (built.commit, built.target, built.url) == (
        first_spec.source.commit,
        "kubernetes",
        f"http://{first_spec.host}",
    )
    assert TARGET.list_environments(eph.settings) == {first_spec.name}


def test_everything_is_labelled_limited_and_without_a_token(eph: OperationRunner, first_spec: EnvironmentSpec) -> None:
    about = eph.site.get("namespace", first_spec.name)["metadata"]
    assert about["annotations"]["eph.dev/ephemeral-ttl"] == "72h"
    assert (about["labels"]["eph.dev/pr-number"], about["labels"][object_names.MANAGED_BY]) == ("1", "eph")
    assert about["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    kinds = "deployments,services,statefulsets,ingresses,networkpolicies,resourcequotas,jobs,cronjobs"
    found = eph.site.get(kinds, "-n", first_spec.name)["items"]
    assert {item["kind"] for item in found} >= {"Deployment", "StatefulSet", "Ingress", "NetworkPolicy", "CronJob"}
    assert [
        item["metadata"]["name"]
        for item in found
        if item["metadata"]["labels"][object_names.ENVIRONMENT] != first_spec.name
    ] == []
    pods = eph.site.get("pods", "-n", first_spec.name)["items"]
    assert [pod for pod in pods if pod["spec"].get("automountServiceAccountToken") is not False] == []


def test_push_updates_in_place_and_a_second_run_changes_nothing(
    eph: OperationRunner, first_spec: EnvironmentSpec
) -> None:
    """L5: the same URL, and the old commit serves until the new one does."""
    commit = eph.repository.push({"a": "2"})
    spec = replace(
        first_spec,
        source=replace(first_spec.source, commit=commit),
        images={"shop": eph.site.image("acme/shop:v2")},
    )
    page = Page(eph.site, first_spec.host)
    with PageMonitor(page) as watch:
        eph.assert_succeeded(eph.up(spec))
    assert watch.requests > 0
    assert watch.failures == []
    assert f"commit {commit}" in page.wait_for_text()
    assert page.wait_for_text("/env", name="APP_VERSION") == "v2"
    assert page.wait_for_text("/query", sql="select count(*) from fruit") == "4", "seeded once, migrated twice"
    again = eph.up(spec)
    eph.assert_succeeded(again)
    assert {key: count for key, count in again.changes.items() if key != "same"} == {}


@pytest.mark.parametrize(
    ("change", "words", "most"),
    [
        ({"command": "echo about to fail; exit 3"}, ("service web", "exit status 3"), 30),
        (
            {"env": {"BROKEN": "yes"}, "health": HealthCheck(deadline=8)},
            ("service web", "health check fails", "500"),
            40,
        ),
    ],
    ids=["ends at once", "unhealthy"],
)
def test_broken_commit_is_explained_and_the_old_one_stays_live(
    eph: OperationRunner, first_spec: EnvironmentSpec, change: dict[str, Any], words: tuple[str, ...], most: int
) -> None:
    """P3: detected within seconds, in one sentence, with the last lines of the log."""
    before = Page(eph.site, first_spec.host).wait_for_text()
    spec = eph.spec(1, eph.repository.push({"a": "broken"}), databases=(DATABASE,), env=first_spec.env)
    broken = replace(spec.services[0], **change)
    result = eph.up(replace(spec, services=(broken, *first_spec.services[1:])))
    assert result.outcome is Outcome.FAILED
    assert [word for word in words if word not in result.error] == [], result.error
    if "exit status 3" in result.error:
        assert any("about to fail" in line for line in result.tail), result.tail
    assert (result.ended - result.started).total_seconds() < most + 60
    assert Page(eph.site, first_spec.host).wait_for_text().partition(",")[2] == before.partition(",")[2]


def test_unavailable_resources_are_reported_before_anything_changes(
    eph: OperationRunner, first_spec: EnvironmentSpec
) -> None:
    missing = replace(first_spec, images={"shop": f"{eph.site.registry}/acme/shop:v1"})
    result = eph.up(missing)
    assert result.outcome is Outcome.FAILED
    assert "isn't pinned to a digest" in result.error
    assert result.changes == {}


def test_two_environments_cannot_reach_each_other(eph: OperationRunner, first_spec: EnvironmentSpec) -> None:
    """S3, D3: tried from inside a pod, by address and by name, with enforced policies."""
    second = eph.spec(2, eph.repository.push({"a": "3"}), databases=(DATABASE,))
    eph.assert_succeeded(eph.up(second))
    site, page = eph.site, Page(eph.site, second.host)
    pods = site.get("pods", "-n", first_spec.name)["items"]
    theirs = [pod["status"]["podIP"] for pod in pods if pod["status"].get("phase") == "Running"]
    services = site.get("services", "-n", first_spec.name)["items"]
    ways = [f"{address}:{port}" for address in theirs for port in (8080, 9000, 5432)]
    ways += [f"{item['spec']['clusterIP']}:{item['spec']['ports'][0]['port']}" for item in services]
    ways += [f"web.{first_spec.name}.svc.cluster.local:80", "169.254.169.254:80", "kubernetes.default.svc:443"]
    node = site.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    ways += [f"{node}:6443", f"{node}:10250", f"{node}:5000"]
    with ThreadPoolExecutor(16) as pool:
        reached = list(pool.map(lambda way: page.wait_for_text("/connect", to=way), ways))
    assert [way for way, said in zip(ways, reached, strict=True) if not said.startswith("no:")] == []
    own = object_names.database(DATABASE)
    assert page.wait_for_text("/connect", to=f"{own}:5432") == "yes", "its own database is not far"
    assert page.wait_for_text("/query", sql="select count(*) from fruit") == "3"
    url = page.wait_for_text("/env", name="DATABASE_URL")
    assert url not in "\n".join(eph.progress) + eph.log(2)


def test_destroyed_is_gone(eph: OperationRunner, first_spec: EnvironmentSpec) -> None:
    """Nothing is left by label or name, and incomplete environments are removed, too."""
    started = time.monotonic()
    half = eph.spec(3, eph.repository.push({"a": "4"}))
    half = replace(half, services=(replace(half.services[0], command="exit 1"),))
    assert eph.up(half).outcome is Outcome.FAILED
    assert eph.record(3).target == "kubernetes"
    for number in (1, 2, 3):
        eph.assert_succeeded(eph.down(number))
    assert eph.remaining() == []
    assert dict(eph.inventory.snapshot().stacks) == {}
    assert time.monotonic() - started < 240
