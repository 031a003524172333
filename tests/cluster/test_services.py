"""More options of services in eph.yaml, on a real Kubernetes, and how they end (T2, Y2).

One environment; the tests depend on each other in this order.
"""

from __future__ import annotations

import time

import pytest

from programs.spec import CommandSpec, EnvironmentSpec, HealthCheck, LifecycleHooks, ServiceSpec
from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.settings import from_mapping
from tests.cluster.environments import DATABASE, OperationRunner, Page
from tests.polling import BackgroundPoller

pytestmark = pytest.mark.real
NUMBER = 61


@pytest.fixture(scope="module")
def shop(eph: OperationRunner) -> EnvironmentSpec:
    api = ServiceSpec("api", "sleep 2; exec tools serve", public=False, image="shop", port=9000)
    web = ServiceSpec(
        "web",
        "echo first > /data/first; exec tools serve",
        image="shop",
        port=8080,
        health=HealthCheck(deadline=60),
        after=("api",),
        volumes={"/data": "32Mi"},
        resources={"cpu": "250m", "memory": "64Mi"},
    )
    tick = ServiceSpec("tick", "echo ticked $EPH_ENVIRONMENT", public=False, image="shop", schedule="* * * * *")
    hooks = LifecycleHooks(
        pre_create=(CommandSpec('psql "$DATABASE_URL" -c "CREATE TABLE hook (name text)"', 60),),
        # The cluster opens the network to a new pod a moment after it started.
        post_create=(
            CommandSpec("for i in 1 2 3 4 5 6 7 8 9; do tools fetch http://web/ && exit; sleep 1; done; exit 1", 60),
        ),
        pre_destroy=(
            CommandSpec('echo last words; psql "$DATABASE_URL" -c "SELECT count(*) FROM fruit"', 30),
            CommandSpec("echo hanging; exec sleep 600", 5),
        ),
    )
    commit = eph.repository.push({"a": "1"})
    return eph.spec(NUMBER, commit, services=(web, api, tick), databases=(DATABASE,), hooks=hooks)


def test_services_start_in_order_with_volumes_shares_and_hooks(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    eph.assert_succeeded(eph.up(shop))
    page = Page(eph.site, shop.host)
    assert f"commit {shop.source.commit}" in page.wait_for_text()
    assert page.wait_for_text("/query", sql="select count(*) from hook") == "0"
    (web,), (api,) = (
        eph.site.get("pods", "-n", shop.name, "-l", f"eph.dev/service={name}")["items"] for name in ("web", "api")
    )
    ready = next(item for item in api["status"]["conditions"] if item["type"] == "Ready")
    assert web["metadata"]["creationTimestamp"] >= ready["lastTransitionTime"], "after the one that it waits for"
    assert eph.site.kubectl("-n", shop.name, "exec", web["metadata"]["name"], "--", "cat", "/data/first") == "first\n"
    assert web["spec"]["containers"][0]["resources"]["limits"]["memory"] == "64Mi"


def test_pre_destroy_hook_runs_and_a_hanging_one_blocks_nothing(eph: OperationRunner, shop: EnvironmentSpec) -> None:
    """The hook before a destroy runs while its database exists; one that hangs is killed, and the environment is
    destroyed."""
    jobs = eph.site.get("cronjobs", "-n", shop.name)["items"]
    assert [(item["metadata"]["name"], item["spec"]["timeZone"]) for item in jobs] == [("tick", "Etc/UTC")]
    started = time.monotonic()
    with HookLogMonitor(eph, shop.name) as heard:
        eph.assert_succeeded(eph.down(NUMBER))
    assert time.monotonic() - started < 240, "not for the ten minutes that the hook would take"
    assert any("last words" in line for line in heard.lines), heard.lines
    assert any("(1 row)" in line for line in heard.lines), "its database was still there"
    assert any("hanging" in line for line in heard.lines), heard.lines
    assert eph.remaining() == []


class HookLogMonitor(BackgroundPoller):
    """What pre-destroy Jobs print, recorded while they exist: nothing is left afterwards."""

    def __init__(self, eph: OperationRunner, namespace: str) -> None:
        super().__init__()
        self._cluster = cluster.connect(from_mapping(eph.settings))
        self._namespace = namespace
        self.lines: set[str] = set()

    def poll(self) -> None:
        for pod in self._cluster.list_namespaced(self._namespace, "v1/pods"):
            name = pod["metadata"]["name"]
            if name.startswith("eph-run-pre-destroy-"):
                self.lines |= set(self._cluster.read_log(self._namespace, name, "command"))
