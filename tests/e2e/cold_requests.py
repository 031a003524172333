"""Requests to an environment that isn't running yet, and kills of what serves them (M4)."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import httpx

from orchestrator.demo import leak_check
from programs.kit.processes import process_table
from tests.e2e.site import Site, wait_until

Victim = Literal["ephd", "gateway"]


def send(site: Site, pool: ThreadPoolExecutor, host: str, count: int) -> list[Future[int]]:
    def ask(_: int) -> int:
        with httpx.Client(timeout=150, trust_env=False) as client:
            return client.get(f"http://127.0.0.1:{site.gateway_port}/", headers={"Host": host}).status_code

    return [pool.submit(ask, number) for number in range(count)]


def deploy(site: Site, label: str, branch: str) -> tuple[str, str]:
    """The host and the name of a label deploy's environment."""
    done = site.eph("deploy", label, "--ref", branch, "-o", "json")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{site.log_tail()}"
    item = json.loads(done.stdout)
    return item["host"], str(site.api(f"environments/{item['ref']}")["name"])


def check_a_kill(site: Site, host: str, victim: Victim) -> None:
    """Kills one between the requests and their answers: no request hangs, and the environment is served in the end."""
    with ThreadPoolExecutor(20) as pool:
        asked = send(site, pool, host, 20)
        wait_until("the request is recorded", lambda: _unrecorded(site, host), 20)
        _kill(site, victim)
        outcomes = {_outcome(each) for each in asked}
    assert outcomes <= ({"200"} if victim == "ephd" else {"200", "closed"})
    wait_until("it is served", lambda: "" if _status(site, host) == 200 else "not yet", 120)


def _unrecorded(site: Site, host: str) -> str:
    data = json.loads((site.eph_home / "gateway" / "traffic.json").read_text())
    return "" if host in data["knocks"] else "no request yet"


def _kill(site: Site, victim: Victim) -> None:
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
