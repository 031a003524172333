"""What operators see of a real ephd: Prometheus scrapes it, every panel of the Grafana dashboard has data, its log is
JSON, and a channel is told what happens (P7, O1)."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.demo.free_ports import free_port
from tests.e2e import site as sites
from tests.e2e.site import Site, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(240)]

GRAFANA = sites.ROOT / "infra" / "grafana"
SETTINGS = """
[limits]
concurrent = 1
[log]
format = "json"
[prices.local]
cpu = 5
memory = 0.5
disk = 0.1
[budgets]
month = 100000
[channels.team]
kind = "webhook"
url = "{url}"
on = ["ready", "failed"]
"""
ASLEEP = (sites.SHOP / "eph.yaml").read_text() + "environment:\n  idle_timeout: 5s\n"
VARIABLES = {"$__rate_interval": "10m", "$target": ".*", "$repository": ".*"}


@pytest.fixture(scope="module")
def received() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A channel's URL, and what was sent to it."""
    bodies: list[dict[str, Any]] = []

    class Channel(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Channel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", bodies
        server.shutdown()


@pytest.fixture(scope="module")
def site(received: tuple[str, list[dict[str, Any]]]) -> Iterator[Site]:
    with sites.running_site(local=SETTINGS.replace("{url}", received[0])) as made:
        yield made


@pytest.fixture(scope="module")
def programs() -> Path:
    found = subprocess.run([sites.ROOT / "infra/toolchain/prometheus.sh"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("needs Debian's Prometheus")
    return Path(found.stdout.strip())


@pytest.fixture
def prometheus(site: Site, programs: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    address = f"127.0.0.1:{free_port()}"
    token = site.eph_home / "keys" / "api.token"
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"rule_files: [{GRAFANA / 'eph-alerts.yaml'}]\n"
        "scrape_configs:\n"
        f"  - {{job_name: eph, authorization: {{credentials_file: {token}}}, "
        f"static_configs: [{{targets: ['127.0.0.1:{site.api_port}']}}]}}\n"
    )
    command = [
        str(programs / "prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}",
    ]  # fmt: skip
    with (
        (tmp_path / "log").open("wb") as log,
        _ended(subprocess.Popen(command, stdout=log, stderr=log)),
        httpx.Client(base_url=f"http://{address}/api/v1", trust_env=False) as client,
    ):
        wait_until("Prometheus is up", lambda: "" if _query(client, 'up{job="eph"} == 1') else "not scraped yet")
        yield client


def _query(client: httpx.Client, expression: str) -> list[Any]:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    try:
        answer = client.get("query", params={"query": expression})
    except httpx.TransportError:
        return []
    if answer.status_code == 503:  # it is still starting
        return []
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"]["result"])


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _panels() -> list[dict[str, Any]]:
    dashboard = json.loads((GRAFANA / "eph-dashboard.json").read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_every_panel_shows_something(site: Site, prometheus: httpx.Client) -> None:
    asked = {branch: site.open_pull(branch, {"note.txt": branch}) for branch in ("one", "two")}
    sleepy = site.preview("sleepy", {"eph.yaml": ASLEEP})
    one, _ = (site.wait_for_preview(branch, *pull) for branch, pull in asked.items())
    site.wait_until_asleep(sleepy)
    wait_until("it is awake", lambda: "" if site.page(sleepy.host).status == 200 else "asleep")
    site.push(one, {"build.sh": "exit 3\n"})
    site.wait_for_comment(one.number, "build.sh")
    site.forge.close_pull(sites.REPOSITORY, asked["two"][0])
    for panel in _panels():
        for target in panel["targets"]:
            shows = partial(_missing, prometheus, target["expr"])
            wait_until(f"{panel['title']}: {target['expr']}", shows)


def _missing(client: httpx.Client, expression: str) -> str:
    has_value = any(sample["value"][1] != "NaN" for sample in _query(client, expression))
    return "" if has_value else "no data"


def test_no_alert_fires_on_a_healthy_eph(site: Site, prometheus: httpx.Client) -> None:
    rules = prometheus.get("rules").json()["data"]["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []


def test_each_line_of_the_log_is_a_json_object_with_its_event(site: Site) -> None:
    lines = [json.loads(line) for line in site.log_tail().splitlines()[1:] if line.startswith("{")]
    ended = [line for line in lines if "data.seconds" in line]
    assert ended
    assert all(float(line["data.seconds"]) >= 0 and line["data.target"] == "local" for line in ended)


def test_the_channel_was_told(site: Site, received: tuple[str, list[dict[str, Any]]]) -> None:
    told = [(body["event"], body["subject"]) for body in received[1]]
    assert ("environment.failed", f"{sites.REPOSITORY}#1") in told
    assert len(told) == len(set(told)), "each once"


def test_promtool_accepts_the_rules(programs: Path) -> None:
    for words in (["check", "rules", "eph-alerts.yaml"], ["test", "rules", "eph-alerts-test.yaml"]):
        done = subprocess.run([programs / "promtool", *words], cwd=GRAFANA, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_program_prints() -> None:
    printed = subprocess.run([sys.executable, GRAFANA / "dashboard.py"], capture_output=True, text=True, check=True)
    assert printed.stdout == (GRAFANA / "eph-dashboard.json").read_text()
