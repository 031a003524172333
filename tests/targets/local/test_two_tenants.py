"""Two environments on one machine, one of which runs hostile code: nothing changes for the other.

``hostile_service`` says what it does. The neighbour is visited through the real gateway all the time.
"""

from __future__ import annotations

import socket
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from programs.kit.database import environment_databases
from programs.kit.isolation import limits
from programs.kit.processes import sandbox
from programs.targets.local import cleanup, connectivity
from programs.targets.local.target import TARGET
from tests.targets import hostile_service
from tests.targets.gateway_thread import serving_gateway
from tests.targets.isolated_machine import BLOG, PORT, SHOP, Isolated, psql
from tests.targets.local_machine import LocalMachine, Repository, database_session, wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
    pytest.mark.skipif(limits.method() == "rlimits", reason="CPU and memory can't be bounded without control groups"),
]

BOUNDS = {"memory_bytes": str(512 * 1024**2), "process_limit": "200", "cpu_limit": "0.5"}
VISIT_INTERVAL = 0.05
PURGE_SECONDS = 60.0


@pytest.fixture
def bounded(machine: LocalMachine, repository: Repository) -> Iterator[Isolated]:
    machine.raw_settings |= BOUNDS
    yield Isolated(machine, repository, {"hostile.py": Path(hostile_service.__file__).read_text()})
    for name in TARGET.list_environments(machine.raw_settings):
        cleanup.purge(machine.settings, name)
    assert machine.remaining() == []


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(10.0, id="short", marks=pytest.mark.timeout(300)),
        pytest.param(600.0, id="ten-minutes", marks=[pytest.mark.long, pytest.mark.timeout(1500)]),
    ],
)
def test_hostile_code_changes_nothing_for_its_neighbour(bounded: Isolated, seconds: float) -> None:
    """S3 L7 T1: neither its latency, nor its contents, nor its database, nor cleanup."""
    here = bounded.here
    bounded.serve(SHOP)
    bounded.route(SHOP)
    kept = environment_databases.create(here, SHOP, "eph_shop_db")
    with database_session(here, kept) as session:
        session.execute("create table kept as select 42 as x")

    with serving_gateway(here.routes) as port:
        quiet = visit(lambda: get(port, SHOP), 3.0)
        _attack(bounded, port)
        during = visit(lambda: get(port, SHOP), seconds)
        with database_session(here, kept) as session:
            assert session.execute("select x from kept").fetchone() == (42,)
        environment_databases.create(here, "new-3", "eph_new_db")
        home = here.env(BLOG) / "home"
        assert not (home / "reached").exists(), (home / "reached").read_text()

        began = time.monotonic()
        cleanup.purge(here, BLOG)
        assert time.monotonic() - began < PURGE_SECONDS
        assert get(port, SHOP) == "one"
    assert TARGET.list_environments(bounded.machine.raw_settings) == {SHOP, "new-3"}
    assert statistics.median(during) < 4 * statistics.median(quiet) + 0.05, (quiet, during)


def _attack(isolated: Isolated, gateway_port: int) -> None:
    """Starts the hostile service, and waits until each of its attacks has run once."""
    here = isolated.here
    isolated.workspace(BLOG)
    url = environment_databases.create(here, BLOG, "eph_blog_db")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        control = unused.getsockname()[1]
    targets = [f"127.0.0.1:{PORT}", f"127.0.0.1:{gateway_port}", f"127.0.0.1:{control}", "169.254.169.254:80"]
    isolated.serve(
        BLOG,
        "exec python3 hostile.py",
        DATABASE_URL=connectivity.inside_url(here, url),
        OWN_PORT="8080",
        PSQL=psql(),
        TARGETS=",".join(targets),
    )
    isolated.route(BLOG)
    rounds = here.env(BLOG) / "home" / "rounds"
    count = len({attack.__name__ for attack in hostile_service.ATTACKS})
    assert wait_for(lambda: len(list(rounds.glob("*"))) == count, 120), sorted(rounds.glob("*"))


def visit(fetch: Callable[[], str], seconds: float) -> list[float]:
    """How long each of the visits took. Every answer has to be the right one."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert fetch() == "one"
        found.append(time.monotonic() - began)
        time.sleep(VISIT_INTERVAL)
    return found


def get(port: int, name: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/version", headers={"Host": f"{name}.localhost"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())
