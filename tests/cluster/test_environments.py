"""Environments on a real Kubernetes, with the real plugin: made, answering, changed in place, broken, gone.

T2, T7 (outputs), D1 (empty, seed), D2, D3, P3, S3 (isolation, tried from inside a pod). One module, because each
operation takes seconds: the tests stand on each other in this order.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from programs.insides import NoSuchLog, Reading
from programs.kubernetes import names
from programs.kubernetes.target import TARGET
from programs.spec import EnvironmentSpec, Health, ServiceSpec
from stacks.model import Outcome
from tests.cluster.environments import DATABASE, Eph, Page, Watch
from tests.cluster.machines import eventually

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def first(eph: Eph) -> EnvironmentSpec:
    """A shop of four services and a database."""
    web = ServiceSpec("web", "", health=Health(deadline=90), image="shop", port=8080, after=("api",))
    api = ServiceSpec("api", "exec tools serve", public=False, image="shop", port=9000, env={"WHO": "api"})
    worker = ServiceSpec("worker", "echo working for $(echo $COLOUR)$$; exec sleep 3600", public=False, image="shop")
    nightly = ServiceSpec("nightly", "true", public=False, image="shop", schedule="0 3 * * *")
    spec = eph.spec(1, eph.repository.push({"a": "1"}), services=(web, api, worker, nightly), databases=(DATABASE,))
    return replace(spec, env={"COLOUR": "green", "PRICE": "5 $$ or $(COLOUR)"})


def test_an_environment_is_made_and_answers(eph: Eph, first: EnvironmentSpec) -> None:
    eph.well(eph.up(first))
    page = Page(eph.site, first.host)
    assert f"commit {first.source.commit}" in page.text()
    rows = page.text("/query", sql="select name from fruit order by 1")
    assert set(rows.splitlines()) == {"apple", "pear", first.source.commit}
    assert [
        page.text("/env", name=name) for name in ("COLOUR", "PRICE", "EPH_ENVIRONMENT", "PREVIEW_URL", "API_URL")
    ] == [
        "green",
        "5 $$ or $(COLOUR)",
        first.name,
        f"http://{first.host}",
        "http://api",
    ]
    assert page.text("/fetch", url="http://api/env?name=WHO") == "200 api"
    assert re.fullmatch(r"working for green\d+", TARGET.logs(first.name, eph.settings, Reading("worker", 10)).lines[0])
    assert any(line.startswith("worker | ") for line in TARGET.logs(first.name, eph.settings, Reading(lines=10)).lines)
    told = TARGET.logs(first.name, eph.settings, Reading(lines=10))
    password = urlsplit(page.text("/env", name="DATABASE_URL")).password
    page.text(f"/{password}")  # the app prints each path that it is asked for
    later = eventually(lambda: TARGET.logs(first.name, eph.settings, Reading(since=told.marks)).lines, 20)
    assert "web | GET /***" in later
    assert not set(later) & set(told.lines), "a follower is told nothing twice"
    with pytest.raises(NoSuchLog, match=r"there are: api, eph-db-main-[0-9a-f]+, eph-run"):
        TARGET.logs(first.name, eph.settings, Reading("nothing"))
    inside = TARGET.inside(first.name, eph.settings)
    states = {item.service: (item.state, item.restarts) for item in inside.processes}
    assert {states[name] for name in ("web", "api", "worker")} == {("running", 0)}
    assert any(item.message == "has its image" for item in inside.happenings)
    built = eph.record(1).built
    assert built is not None
    assert (built.commit, built.target, built.url) == (first.source.commit, "kubernetes", f"http://{first.host}")
    assert TARGET.names(eph.settings) == {first.name}


def test_everything_is_marked_bounded_and_without_a_token(eph: Eph, first: EnvironmentSpec) -> None:
    about = eph.site.get("namespace", first.name)["metadata"]
    assert about["annotations"]["eph.dev/ephemeral-ttl"] == "72h"
    assert (about["labels"]["eph.dev/pr-number"], about["labels"][names.MANAGED]) == ("1", "eph")
    assert about["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    kinds = "deployments,services,statefulsets,ingresses,networkpolicies,resourcequotas,jobs,cronjobs"
    found = eph.site.get(kinds, "-n", first.name)["items"]
    assert {item["kind"] for item in found} >= {"Deployment", "StatefulSet", "Ingress", "NetworkPolicy", "CronJob"}
    assert [
        item["metadata"]["name"] for item in found if item["metadata"]["labels"][names.ENVIRONMENT] != first.name
    ] == []
    pods = eph.site.get("pods", "-n", first.name)["items"]
    assert [pod for pod in pods if pod["spec"].get("automountServiceAccountToken") is not False] == []


def test_a_push_is_built_in_place_and_a_second_look_changes_nothing(eph: Eph, first: EnvironmentSpec) -> None:
    """L5: the same URL, and the old answers until the new does."""
    commit = eph.repository.push({"a": "2"})
    spec = replace(
        first,
        source=replace(first.source, commit=commit),
        images={"shop": eph.site.image("acme/shop:v2")},
    )
    page = Page(eph.site, first.host)
    with Watch(page) as watch:
        eph.well(eph.up(spec))
    assert watch.asked > 0
    assert watch.misses == []
    assert f"commit {commit}" in page.text()
    assert page.text("/env", name="APP_VERSION") == "v2"
    assert page.text("/query", sql="select count(*) from fruit") == "4", "seeded once, migrated twice"
    again = eph.up(spec)
    eph.well(again)
    assert {key: count for key, count in again.changes.items() if key != "same"} == {}


@pytest.mark.parametrize(
    ("change", "words", "most"),
    [
        ({"command": "echo about to fail; exit 3"}, ("service web", "exit status 3"), 30),
        ({"env": {"BROKEN": "yes"}, "health": Health(deadline=8)}, ("service web", "health check says no", "500"), 40),
    ],
    ids=["ends at once", "unhealthy"],
)
def test_a_broken_commit_is_told_why_and_the_old_one_answers(
    eph: Eph, first: EnvironmentSpec, change: dict[str, object], words: tuple[str, ...], most: int
) -> None:
    """P3: recognised within seconds, in one sentence, with the last lines of the log."""
    before = Page(eph.site, first.host).text()
    spec = eph.spec(1, eph.repository.push({"a": "broken"}), databases=(DATABASE,), env=first.env)
    broken = replace(spec.services[0], **change)
    result = eph.up(replace(spec, services=(broken, *first.services[1:])))
    assert result.outcome is Outcome.FAILED
    assert [word for word in words if word not in result.error] == [], result.error
    if "exit status 3" in result.error:
        assert any("about to fail" in line for line in result.tail), result.tail
    assert (result.ended - result.started).total_seconds() < most + 60
    assert Page(eph.site, first.host).text().partition(",")[2] == before.partition(",")[2]


def test_what_cannot_be_had_is_said_before_anything_is_touched(eph: Eph, first: EnvironmentSpec) -> None:
    missing = replace(first, images={"shop": f"{eph.site.registry}/acme/shop:v1"})
    result = eph.up(missing)
    assert result.outcome is Outcome.FAILED
    assert "is not pinned to a digest" in result.error
    assert result.changes == {}


def test_two_environments_do_not_reach_each_other(eph: Eph, first: EnvironmentSpec) -> None:
    """S3, D3: tried from inside a pod, by address and by name, with policies that are enforced."""
    second = eph.spec(2, eph.repository.push({"a": "3"}), databases=(DATABASE,))
    eph.well(eph.up(second))
    site, page = eph.site, Page(eph.site, second.host)
    pods = site.get("pods", "-n", first.name)["items"]
    theirs = [pod["status"]["podIP"] for pod in pods if pod["status"].get("phase") == "Running"]
    services = site.get("services", "-n", first.name)["items"]
    ways = [f"{address}:{port}" for address in theirs for port in (8080, 9000, 5432)]
    ways += [f"{item['spec']['clusterIP']}:{item['spec']['ports'][0]['port']}" for item in services]
    ways += [f"web.{first.name}.svc.cluster.local:80", "169.254.169.254:80", "kubernetes.default.svc:443"]
    node = site.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    ways += [f"{node}:6443", f"{node}:10250", f"{node}:5000"]
    with ThreadPoolExecutor(16) as pool:
        reached = list(pool.map(lambda way: page.text("/connect", to=way), ways))
    assert [way for way, said in zip(ways, reached, strict=True) if not said.startswith("no:")] == []
    own = names.database(DATABASE)
    assert page.text("/connect", to=f"{own}:5432") == "yes", "its own database is not far"
    assert page.text("/query", sql="select count(*) from fruit") == "3"
    url = page.text("/env", name="DATABASE_URL")
    assert url not in "\n".join(eph.told) + eph.log(2)


def test_gone_is_gone(eph: Eph, first: EnvironmentSpec) -> None:
    """Nothing is left by label nor by name, and what was never whole goes too."""
    started = time.monotonic()
    half = eph.spec(3, eph.repository.push({"a": "4"}))
    half = replace(half, services=(replace(half.services[0], command="exit 1"),))
    assert eph.up(half).outcome is Outcome.FAILED
    assert eph.record(3).target == "kubernetes"
    for number in (1, 2, 3):
        eph.well(eph.down(number))
    assert eph.left() == []
    assert dict(eph.inventory.snapshot().stacks) == {}
    assert time.monotonic() - started < 240
