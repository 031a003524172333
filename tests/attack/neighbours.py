"""What a victim and Eph notice while the attacker's code runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from programs.kit.database import environment_databases
from programs.kit.errors import TargetError
from tests.attack.arena import Arena

TOLERATED = 4.0
"""For how many seconds in a row something may fail, until Eph has ended its cause."""
INTERVAL = 0.2


@dataclass(slots=True)
class Outage:
    """The longest time for which a check found a problem, and the last problem. One that waits that long is one."""

    check: Callable[[], str]
    longest: float = 0.0
    problem: str = ""
    _since: float | None = None

    def look(self) -> None:
        began = time.monotonic()
        found = self.check()
        took = time.monotonic() - began
        if not found and took > TOLERATED:
            found = f"it waited for {took:.1f} s"
        if not found:
            self._since = None
            return
        self.problem = found
        self._since = began if self._since is None else self._since
        self.longest = max(self.longest, time.monotonic() - self._since)

    @property
    def evidence(self) -> str:
        return f"for {self.longest:.1f} s: {self.problem}" if self.longest > TOLERATED else ""


def suffering(arena: Arena, code: str, check: Callable[[], str] = lambda: "") -> tuple[str, str]:
    """Runs the attacker's code. Returns its output, and what failed meanwhile for longer than tolerated: the victim's
    page, which reads its database; Eph's list of databases; ``check``."""
    assert not arena.victim_problem()
    outages = [Outage(arena.victim_problem), Outage(lambda: _listing_problem(arena)), Outage(check)]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(arena.run_code, code)
        while not running.done():
            for outage in outages:
                outage.look()
            time.sleep(INTERVAL)
        output = running.result()
    found = [outage.evidence for outage in outages if outage.evidence]
    return output, "; ".join(found) or arena.victim_problem()


def _listing_problem(arena: Arena) -> str:
    try:
        names = {item.environment for item in environment_databases.list_owned(arena.site.target_settings)}
    except TargetError as error:
        return str(error)
    return "" if arena.victim.name in names else "Eph doesn't list the victim's database"
