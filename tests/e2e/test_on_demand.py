"""Label deploys that start with their first request, with a real ephd, a real gateway and `eph` (M4, L2, P5)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.demo import leak_check
from tests.e2e import cold_requests
from tests.e2e import site as sites
from tests.e2e.cold_requests import Victim
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


def starts(site: Site, name: str) -> int:
    """How often its web process was started, by its own log."""
    logs = site.target_settings.logs.glob(f"{name}.web.*.log")
    return sum(path.read_text().count(OPEN) for path in logs)


def running(name: str) -> list[int]:
    return leak_check.processes(f"/{name}/home")


def test_two_hundred_cold_requests_start_it_once_and_idle_stops_it(site: Site) -> None:
    host, name = cold_requests.deploy(site, "cold", "sleepy")
    assert site.api(f"environments/{name}")["phase"] == "asleep"
    assert (running(name), starts(site, name)) == ([], 0)
    with ThreadPoolExecutor(COLD_REQUESTS) as pool:
        found = [each.result() for each in cold_requests.send(site, pool, host, COLD_REQUESTS)]
    assert found == [200] * COLD_REQUESTS
    assert starts(site, name) == 1
    wait_until("idle stops it", lambda: str(running(name) or ""), 90)


@pytest.mark.parametrize("victim", ["ephd", "gateway"])
@pytest.mark.exhaustive
def test_a_kill_between_request_and_answer_starts_it_once_and_hangs_nothing(site: Site, victim: Victim) -> None:
    host, name = cold_requests.deploy(site, f"killed-{victim}", "feat")
    cold_requests.check_a_kill(site, host, victim)
    assert starts(site, name) == 1


@pytest.mark.exhaustive
def test_a_start_that_fails_is_reported_to_all_who_wait(site: Site) -> None:
    host, name = cold_requests.deploy(site, "broken", "crashing")
    with ThreadPoolExecutor(20) as pool:
        found = [each.result() for each in cold_requests.send(site, pool, host, 20)]
    assert found == [503] * 20
    wait_until("nothing of it runs", lambda: str(running(name) or ""), 60)
