"""Two environments on one machine, one of which runs hostile code: what changes for the other.

``hostile_service`` says what it does. The neighbour is visited through the real gateway all the time, and each of its
pages reads a row of its database.
"""

from __future__ import annotations

import socket
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.conformance.gateway_thread import serving_gateway
from programs.kit.database import environment_databases
from programs.targets.local import cleanup, connectivity
from programs.targets.local.target import TARGET
from tests.targets import hostile_service, neighbour_service
from tests.targets.isolated_machine import BLOG, PORT, SHOP, Isolated, psql
from tests.targets.local_machine import LocalMachine, Repository, database_session

BOUNDS = {"memory_bytes": str(512 * 1024**2), "process_limit": "200", "cpu_limit": "0.5"}
DATABASES = {"DATABASE_URL": "eph_blog_db", "LOCKS_URL": "eph_blog_locks", "SORTS_URL": "eph_blog_sorts"}
VISIT_INTERVAL = 0.05
ROW = "42"
OUTAGE_SECONDS = 5.0
"""For how long in all the shared database may refuse the neighbour, until each of the attacker's roles is suspended."""
START_SECONDS = 120.0
PURGE_SECONDS = 240.0
"""The kernel needs 1 to 10 ms for each of its 10,000 folders, depending on the disk and on what else runs; `rm -rf`
takes as long."""


@dataclass(slots=True)
class Visits:
    """Seconds of each visit, seconds in which the neighbour's database refused it, and wrong answers."""

    seconds: list[float] = field(default_factory=list)
    outage: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def visit(self, port: int) -> None:
        began = time.monotonic()
        refused, text = _get(port, SHOP)
        took = time.monotonic() - began
        if refused:
            self.outage += took + VISIT_INTERVAL
        else:
            self.seconds.append(took)
        if not refused and text != ROW:
            self.wrong.append(f"the neighbour's visitor got {text[:100]!r}")
        time.sleep(VISIT_INTERVAL)

    def visit_for(self, port: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.visit(port)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Visits before and during the attack, what else went wrong, and how long the removal took."""

    quiet: Visits
    during: Visits
    wrong: list[str]
    purge_seconds: float

    def problems(self) -> list[str]:
        found = [*self.quiet.wrong, *self.during.wrong, *self.wrong]
        before, after = (statistics.median(visits.seconds) for visits in (self.quiet, self.during))
        if after >= 4 * before + 0.05:
            found.append(f"a visit takes {after:.3f} s instead of {before:.3f} s")
        if self.during.outage >= OUTAGE_SECONDS:
            found.append(f"the neighbour's database refused it for {self.during.outage:.1f} s")
        if self.purge_seconds >= PURGE_SECONDS:
            found.append(f"the removal took {self.purge_seconds:.0f} s")
        return found


@contextmanager
def bounded_machine(machine: LocalMachine, repository: Repository) -> Iterator[Isolated]:
    """With limits for each environment; nothing may remain at the end."""
    machine.raw_settings |= BOUNDS
    services = {"hostile.py": hostile_service, "neighbour.py": neighbour_service}
    yield Isolated(machine, repository, {name: Path(str(it.__file__)).read_text() for name, it in services.items()})
    for name in TARGET.list_environments(machine.raw_settings):
        cleanup.purge(machine.settings, name)
    assert machine.remaining() == []


def attack(isolated: Isolated, seconds: float) -> Outcome:
    """Lets one environment attack for so long, while the other one is visited."""
    here = isolated.here
    _start_neighbour(isolated)
    quiet, during, wrong = Visits(), Visits(), []
    with serving_gateway(here.routes) as port:
        quiet.visit_for(port, 3.0)
        rounds = _start(isolated, port)
        _visit_until(during, port, rounds)
        during.visit_for(port, seconds)
        environment_databases.create(here, "new-3", "eph_new_db")
        reached = here.env(BLOG) / "home" / "reached"
        if reached.exists():
            wrong.append(f"it reached {reached.read_text()}")
        began = time.monotonic()
        cleanup.purge(here, BLOG)
        took = time.monotonic() - began
        during.visit_for(port, 0.5)
    names = TARGET.list_environments(isolated.machine.raw_settings)
    if names != {SHOP, "new-3"}:
        wrong.append(f"afterwards there are {sorted(names)}")
    return Outcome(quiet, during, wrong, took)


def _start_neighbour(isolated: Isolated) -> None:
    here = isolated.here
    isolated.workspace(SHOP)
    url = environment_databases.create(here, SHOP, "eph_shop_db")
    with database_session(here, url) as session:
        session.execute(f"create table kept as select {ROW} as x")
    inside = connectivity.inside_url(here, url)
    isolated.serve(SHOP, "exec python3 neighbour.py", path="/", DATABASE_URL=inside, PSQL=psql())
    isolated.route(SHOP)


def _visit_until(visits: Visits, port: int, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < end, "not every attack has run"
        visits.visit(port)


def _start(isolated: Isolated, gateway_port: int) -> Callable[[], bool]:
    """Starts the hostile service. Returns whether each of its attacks has run once."""
    here = isolated.here
    isolated.workspace(BLOG)
    urls = {
        variable: connectivity.inside_url(here, environment_databases.create(here, BLOG, name))
        for variable, name in DATABASES.items()
    }
    with socket.create_server(("127.0.0.1", 0)) as unused:
        control = unused.getsockname()[1]
    targets = [f"127.0.0.1:{PORT}", f"127.0.0.1:{gateway_port}", f"127.0.0.1:{control}", "169.254.169.254:80"]
    isolated.serve(
        BLOG,
        "exec python3 hostile.py",
        OWN_PORT="8080",
        PSQL=psql(),
        TARGETS=",".join(targets),
        DATABASE_URL=urls["DATABASE_URL"],
        LOCKS_URL=urls["LOCKS_URL"],
        SORTS_URL=urls["SORTS_URL"],
    )
    isolated.route(BLOG)
    rounds = here.env(BLOG) / "home" / "rounds"
    count = len({each.__name__ for each in hostile_service.ATTACKS})
    return lambda: len(list(rounds.glob("*"))) == count


def _get(port: int, name: str) -> tuple[bool, str]:
    """Whether the neighbour's database refused it, and the page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": f"{name}.localhost"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return False, str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
            return text.startswith(neighbour_service.REFUSED), text
    except OSError as error:
        return False, str(error)
