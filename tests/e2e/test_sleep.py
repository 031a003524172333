"""Sleep and wake on the target `local`, with a real ephd and a real gateway (L5, C1, P5 `sleep` and `wake`, L2).

Seen from outside: people visit or don't, push, and type commands; the machine's process table shows what is running.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from orchestrator.demo import leak_check
from tests.e2e import site as sites
from tests.e2e.previews import Preview
from tests.e2e.site import Site, wait_until
from tests.file_trees import all_files

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

FILE = (sites.SHOP / "eph.yaml").read_text() + "environment:\n  idle_timeout: 10s\n"
LONG = FILE.replace("10s", "1h")
COLD_REQUESTS = 50
"""Two hundred are in tests/gateway."""


def event_count(site: Site, preview: Preview, kind: str) -> int:
    items = site.api("events", name=preview.name, limit="500")["items"]
    return sum(item["kind"] == f"environment.{kind}" for item in items)


def not_in_phase(site: Site, preview: Preview, phase: str) -> str:
    now = site.api(f"environments/{preview.name}")["phase"]
    return "" if now == phase else f"its phase is {now}"


def update_count(site: Site, preview: Preview) -> int:
    kept = [path for path in all_files(site.eph_home / "backend") if "history" in path.parts]
    return sum(path.match(f"pr-{preview.number}-*.history.json") for path in kept)


@pytest.mark.exhaustive
def test_sleeps_when_unused_and_wakes_on_a_visit(site: Site) -> None:
    one = site.preview("sleepy", {"eph.yaml": FILE})
    assert site.page(one.host, "/add", q="cherry").status == 200
    before = update_count(site, one)
    site.wait_until_asleep(one)
    assert site.page(one.host, "/healthz").status == 503, "a health check is no visit"
    assert event_count(site, one, "waking") == 0

    url = f"http://127.0.0.1:{site.gateway_port}/"
    with httpx.Client(timeout=90, trust_env=False) as client, ThreadPoolExecutor(COLD_REQUESTS) as pool:
        answers = list(pool.map(lambda _: client.get(url, headers={"Host": one.host}), range(COLD_REQUESTS)))
    assert {answer.status_code for answer in answers} == {200}
    assert all("cherry" in answer.json()["goods"] for answer in answers), "its data was there all the time"
    wait_until("it is woken", lambda: "" if event_count(site, one, "woken") else "no event yet")
    assert (event_count(site, one, "waking"), event_count(site, one, "woken")) == (1, 1)
    assert update_count(site, one) == before, "neither needs an update by Pulumi"
    site.wait_for_comment(one.number, "Ready", "without a visit")


def test_commands_sleep_and_wake_a_kill_changes_nothing_and_a_push_wakes(site: Site) -> None:
    two = site.preview("told", {"eph.yaml": LONG})
    done = site.eph("sleep", two.name)
    assert done.returncode == 0, done.stderr
    site.wait_until_asleep(two)
    site.kill()
    site.start()
    wait_until("ephd has looked", lambda: "" if site.api("status")["last_cycle"] else "not yet")
    wait_until("it is shown asleep", lambda: not_in_phase(site, two, "asleep"))
    assert leak_check.processes(f"/{two.name}/home") == []

    done = site.eph("wake", two.name, "--wait", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert site.page(two.host).data["commit"] == two.commit
    kept = [item["step"] for item in site.api(f"environments/{two.name}/steps")["steps"]]
    assert kept.count("Health check web") == 2, "that of the build, and that of the wake"

    site.eph("sleep", two.name)
    site.wait_until_asleep(two)
    pushed = site.push(two, {"note.txt": "a push while it sleeps"})
    site.wait_for_commit(two, pushed)
    assert event_count(site, two, "updated") == 1
