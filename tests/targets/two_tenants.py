"""Two environments on one machine, one of which runs hostile code: what changes for the other.

``hostile_service`` says what it does. The neighbour is visited through the real gateway all the time.
"""

from __future__ import annotations

import socket
import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.conformance.gateway_thread import serving_gateway
from programs.kit.database import environment_databases
from programs.targets.local import cleanup, connectivity
from programs.targets.local.target import TARGET
from tests.targets import hostile_service
from tests.targets.isolated_machine import BLOG, PORT, SHOP, Isolated, psql
from tests.targets.local_machine import LocalMachine, Repository, database_session, wait_for

BOUNDS = {"memory_bytes": str(512 * 1024**2), "process_limit": "200", "cpu_limit": "0.5"}
VISIT_INTERVAL = 0.05
PURGE_SECONDS = 240.0
"""The kernel needs 1 to 10 ms for each of its 10,000 folders, depending on the disk and on what else runs; `rm -rf`
takes as long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds of each visit before and during the attack, what went wrong, and how long the removal took."""

    quiet: list[float]
    during: list[float]
    wrong: list[str]
    purge_seconds: float

    def problems(self) -> list[str]:
        found = list(self.wrong)
        before, after = statistics.median(self.quiet), statistics.median(self.during)
        if after >= 4 * before + 0.05:
            found.append(f"a visit takes {after:.3f} s instead of {before:.3f} s")
        if self.purge_seconds >= PURGE_SECONDS:
            found.append(f"the removal took {self.purge_seconds:.0f} s")
        return found


@contextmanager
def bounded_machine(machine: LocalMachine, repository: Repository) -> Iterator[Isolated]:
    """With limits for each environment; nothing may remain at the end."""
    machine.raw_settings |= BOUNDS
    yield Isolated(machine, repository, {"hostile.py": Path(hostile_service.__file__).read_text()})
    for name in TARGET.list_environments(machine.raw_settings):
        cleanup.purge(machine.settings, name)
    assert machine.remaining() == []


def attack(isolated: Isolated, seconds: float) -> Outcome:
    """Lets one environment attack for so long, while the other one is visited."""
    here = isolated.here
    isolated.serve(SHOP)
    isolated.route(SHOP)
    kept = environment_databases.create(here, SHOP, "eph_shop_db")
    with database_session(here, kept) as session:
        session.execute("create table kept as select 42 as x")

    with serving_gateway(here.routes) as port:
        quiet, wrong = _visit(port, 3.0)
        _start(isolated, port)
        during, more = _visit(port, seconds)
        wrong += more
        with database_session(here, kept) as session:
            if session.execute("select x from kept").fetchone() != (42,):
                wrong.append("the neighbour's data changed")
        environment_databases.create(here, "new-3", "eph_new_db")
        reached = here.env(BLOG) / "home" / "reached"
        if reached.exists():
            wrong.append(f"it reached {reached.read_text()}")
        began = time.monotonic()
        cleanup.purge(here, BLOG)
        took = time.monotonic() - began
        wrong += _visit(port, 0.5)[1]
    names = TARGET.list_environments(isolated.machine.raw_settings)
    if names != {SHOP, "new-3"}:
        wrong.append(f"afterwards there are {sorted(names)}")
    return Outcome(quiet, during, wrong, took)


def _start(isolated: Isolated, gateway_port: int) -> None:
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
    count = len({each.__name__ for each in hostile_service.ATTACKS})
    assert wait_for(lambda: len(list(rounds.glob("*"))) == count, 120), sorted(rounds.glob("*"))


def _visit(port: int, seconds: float) -> tuple[list[float], list[str]]:
    """How long each visit of the neighbour took, and the wrong answers."""
    found, wrong = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            text = _get(port, SHOP)
        except OSError as error:
            text = str(error)
        found.append(time.monotonic() - began)
        if text != "one":
            wrong.append(f"the neighbour's visitor got {text[:100]!r}")
        time.sleep(VISIT_INTERVAL)
    return found, wrong


def _get(port: int, name: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/version", headers={"Host": f"{name}.localhost"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())
