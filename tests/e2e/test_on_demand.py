"""Label deploys that start with their first request, with a real ephd, a real gateway and `eph` (M4, L2, P5)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from orchestrator.demo import leak_check
from programs.kit.processes import process_table
from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY, Site, shop_files, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

ROUTE = "shop.localhost"
APP = f"app:\n  route: {ROUTE}\n"
SHORT_IDLE = "environment:\n  idle_timeout: 10s\n"
COLD_REQUESTS = 200
OPEN = "the shop is open"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site(local=f'[deploys.routes]\n"{ROUTE}" = "{REPOSITORY}"\n') as made:
        files = shop_files()
        files["app.py"] = files["app.py"].replace("import json", f'print("{OPEN}", flush=True)\nimport json', 1)
        assert OPEN in files["app.py"]
        text = files["eph.yaml"] + APP
        made.forge.push(REPOSITORY, "feat", {**files, "eph.yaml": text})
        made.forge.push(REPOSITORY, "sleepy", {**files, "eph.yaml": text + SHORT_IDLE})
        made.forge.push(
            REPOSITORY, "crashing", {**files, "eph.yaml": text, "app.py": "raise SystemExit('no config')\n"}
        )
        wait_until("ephd has read the repositories", lambda: "" if made.eph("list").returncode == 0 else "no", 90)
        yield made


def deploy(site: Site, label: str, branch: str) -> tuple[str, str]:
    """Its host and the environment's name."""
    done = site.eph("deploy", label, "--ref", branch, "-o", "json")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"
    item = json.loads(done.stdout)
    return item["host"], str(site.api(f"environments/{item['ref']}")["name"])


def starts(site: Site, name: str) -> int:
    """How often its web process was started, by its own log."""
    logs = site.target_settings.logs.glob(f"{name}.web.*.log")
    return sum(path.read_text().count(OPEN) for path in logs)


def cold_requests(site: Site, pool: ThreadPoolExecutor, host: str, count: int) -> list[Future[int]]:
    def ask(_: int) -> int:
        with httpx.Client(timeout=150, trust_env=False) as client:
            return client.get(f"http://127.0.0.1:{site.gateway_port}/", headers={"Host": host}).status_code

    return [pool.submit(ask, number) for number in range(count)]


def running(name: str) -> list[int]:
    return leak_check.processes(f"/{name}/home")


def test_two_hundred_cold_requests_start_it_once_and_idle_stops_it(site: Site) -> None:
    host, name = deploy(site, "cold", "sleepy")
    assert site.api(f"environments/{name}")["phase"] == "asleep"
    assert (running(name), starts(site, name)) == ([], 0)
    with ThreadPoolExecutor(COLD_REQUESTS) as pool:
        found = [each.result() for each in cold_requests(site, pool, host, COLD_REQUESTS)]
    assert found == [200] * COLD_REQUESTS
    assert starts(site, name) == 1
    wait_until("idle stops it", lambda: str(running(name) or ""), 90)


@pytest.mark.parametrize("victim", ["ephd", "gateway"])
@pytest.mark.exhaustive
def test_a_kill_between_request_and_answer_starts_it_once_and_hangs_nothing(site: Site, victim: str) -> None:
    host, name = deploy(site, f"killed-{victim}", "feat")
    with ThreadPoolExecutor(20) as pool:
        asked = cold_requests(site, pool, host, 20)
        wait_until("the request is recorded", lambda: _unrecorded(site, host), 20)
        _kill(site, victim)
        outcomes = [_outcome(each) for each in asked]
    assert set(outcomes) <= ({"200"} if victim == "ephd" else {"200", "closed"})
    wait_until("it is served", lambda: "" if _status(site, host) == 200 else "not yet", 120)
    assert starts(site, name) == 1


@pytest.mark.exhaustive
def test_a_start_that_fails_is_reported_to_all_who_wait(site: Site) -> None:
    host, name = deploy(site, "broken", "crashing")
    with ThreadPoolExecutor(20) as pool:
        found = [each.result() for each in cold_requests(site, pool, host, 20)]
    assert found == [503] * 20
    wait_until("nothing of it runs", lambda: str(running(name) or ""), 60)


def _unrecorded(site: Site, host: str) -> str:
    data = json.loads((site.eph_home / "gateway" / "traffic.json").read_text())
    return "" if host in data["knocks"] else "no request yet"


def _kill(site: Site, victim: str) -> None:
    if victim == "ephd":
        site.kill()
        time.sleep(1)
        site.start()
        return
    for pid in leak_check.processes("orchestrator.gateway"):
        if f"{site.eph_home}" in process_table.command_line(pid):
            os.kill(pid, signal.SIGKILL)


def _outcome(asked: Future[int]) -> str:
    try:
        return str(asked.result(160))
    except httpx.TransportError as error:
        return "hung" if isinstance(error, httpx.TimeoutException) else "closed"


def _status(site: Site, host: str) -> int:
    try:
        return site.page(host).status
    except httpx.TransportError:
        return 0
