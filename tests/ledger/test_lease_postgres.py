"""Replicas as real processes on a real PostgreSQL, killed, paused and cut off: one leads, soon, and never two (O2).

The scenarios run concurrently, each with its own lease; they are printed with ``-s`` or if one fails.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.ledger.lease import Timing
from stacks.process_identity import boot_clock
from tests.ledger import postgres_server
from tests.ledger.postgres_server import PostgresServer

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
TAKEOVER_SECONDS = 15.0
"""O2: another takes over within 15 s."""
TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Beat:
    at: float
    pid: int
    epoch: int


class LeaseScenario:
    """Some replicas of one name, and everything they wrote."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self._file = file
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def start_replica(self, url: str) -> int:
        words = ["-m", "tests.ledger.lease_holder", url, self.name, str(self._file)]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=quiet, stderr=quiet)
        self._processes[process.pid] = process
        await self._until(lambda: f" {process.pid} up\n" in self._text(), 60)
        return process.pid

    def send_signal(self, pid: int, number: int) -> float:
        self._processes[pid].send_signal(number)
        return boot_clock()

    async def end(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()

    async def wait_exited(self, pid: int) -> None:
        await self._processes[pid].wait()

    def beats(self, pid: int = 0, after: float = 0.0) -> list[Beat]:
        lines = [line.split() for line in self._text().splitlines() if not line.endswith(" up")]
        found = [Beat(float(at), int(who), int(epoch)) for at, who, epoch in lines]
        return [beat for beat in found if beat.at > after and pid in (0, beat.pid)]

    async def wait_until_led_by(self, pid: int, after: float, seconds: float = TAKEOVER_SECONDS + 45) -> float:
        """When that replica first worked after a given time."""
        await self._until(lambda: bool(self.beats(pid, after)), seconds)
        return self.beats(pid, after)[0].at

    def _text(self) -> str:
        return self._file.read_text() if self._file.exists() else ""

    async def _until(self, wanted: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not wanted():
                await asyncio.sleep(0.05)

    def terms(self) -> list[tuple[float, float, int, int]]:
        """Start, end, holder and epoch."""
        found: dict[tuple[int, int], list[float]] = {}
        for beat in self.beats():
            found.setdefault((beat.epoch, beat.pid), []).append(beat.at)
        return sorted((min(times), max(times), pid, epoch) for (epoch, pid), times in found.items())


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """A scenario's outcome: figures by name, and its terms."""

    figures: dict[str, float]
    terms: list[tuple[float, float, int, int]]


Scenario = Callable[[LeaseScenario, PostgresServer], Awaitable[dict[str, float]]]


async def leader_and_standby(scenario: LeaseScenario, server: PostgresServer, port: int = 0) -> tuple[int, int, str]:
    """A leader, optionally with its own connection, and a standby."""
    database = server.create_database()
    leader = await scenario.start_replica(server.url(database, port))
    await scenario.wait_until_led_by(leader, 0.0)
    return leader, await scenario.start_replica(server.url(database)), server.url(database)


async def leader_killed(scenario: LeaseScenario, server: PostgresServer) -> dict[str, float]:
    leader, other, _ = await leader_and_standby(scenario, server)
    await asyncio.sleep(1)
    at = scenario.send_signal(leader, signal.SIGKILL)
    return {"takes over after kill -9": await scenario.wait_until_led_by(other, at) - at}


async def leader_stopped(scenario: LeaseScenario, server: PostgresServer) -> dict[str, float]:
    leader, other, _ = await leader_and_standby(scenario, server)
    at = scenario.send_signal(leader, signal.SIGSTOP)
    taken = await scenario.wait_until_led_by(other, at)
    woken = scenario.send_signal(leader, signal.SIGCONT)
    await asyncio.sleep(3)
    worked = len(scenario.beats(leader, woken))
    return {"takes over after SIGSTOP": taken - at, "works of the woken one": worked}


async def leader_cut_off(scenario: LeaseScenario, server: PostgresServer) -> dict[str, float]:
    with postgres_server.cuttable_proxy(server.port) as line:
        leader, other, _ = await leader_and_standby(scenario, server, line.port)
        line.cut()
        at = boot_clock()
        taken = await scenario.wait_until_led_by(other, at)
        ceased = scenario.beats(leader)[-1].at
        line.restore()
        await asyncio.sleep(3)
        late = len(scenario.beats(leader, taken))
    return {
        "the one cut off ceases after": ceased - at,
        "takes over after the cut": taken - at,
        "between the two": taken - ceased,
        "works of the one that came back": late,
    }


async def leader_cut_off_briefly(scenario: LeaseScenario, server: PostgresServer) -> dict[str, float]:
    """Shorter than the lease: nobody takes over, and the leader continues in its epoch."""
    with postgres_server.cuttable_proxy(server.port) as line:
        leader, other, _ = await leader_and_standby(scenario, server, line.port)
        line.cut()
        await asyncio.sleep(2)
        line.restore()
        await asyncio.sleep(8)
        return {
            "works of the other": len(scenario.beats(other)),
            "goes on": len(scenario.beats(leader, boot_clock() - 1)),
        }


async def leader_shut_down(scenario: LeaseScenario, server: PostgresServer) -> dict[str, float]:
    leader, other, _ = await leader_and_standby(scenario, server)
    at = scenario.send_signal(leader, signal.SIGTERM)
    await scenario.wait_exited(leader)
    return {"takes over after a stop": await scenario.wait_until_led_by(other, at) - at}


async def many_standbys(scenario: LeaseScenario, server: PostgresServer) -> dict[str, float]:
    """Five wait to replace one."""
    leader, other, url = await leader_and_standby(scenario, server)
    waiting = [other, *[await scenario.start_replica(url) for _ in range(4)]]
    at = scenario.send_signal(leader, signal.SIGTERM)
    taken = await first_leader(scenario, waiting, at)
    return {
        "takes over, five waiting": taken - at,
        "leaders among them": len({beat.pid for beat in scenario.beats(0, at)} & set(waiting)),
    }


async def first_leader(scenario: LeaseScenario, pids: list[int], after: float) -> float:
    done, pending = await asyncio.wait(
        [asyncio.create_task(scenario.wait_until_led_by(pid, after)) for pid in pids],
        return_when=asyncio.FIRST_COMPLETED,
    )
    await asyncio.sleep(2)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return min(task.result() for task in done)


SCENARIOS: dict[str, Scenario] = {
    play.__name__: play
    for play in (leader_killed, leader_stopped, leader_cut_off, leader_cut_off_briefly, leader_shut_down)
}
SCENARIOS["crowd"] = many_standbys


async def run_scenario(name: str, server: PostgresServer, folder: Path) -> ScenarioResult:
    story = LeaseScenario(name, folder / name)
    try:
        figures = await SCENARIOS[name](story, server)
        return ScenarioResult(figures, story.terms())
    finally:
        await story.end()


async def run_scenarios(server: PostgresServer, folder: Path) -> dict[str, ScenarioResult]:
    ended = await asyncio.gather(*(run_scenario(name, server, folder) for name in SCENARIOS))
    return dict(zip(SCENARIOS, ended, strict=True))


@pytest.fixture(scope="module")
def results(server: PostgresServer) -> dict[str, ScenarioResult]:
    with tempfile.TemporaryDirectory(prefix="eph-lease-") as folder:
        found = asyncio.run(run_scenarios(server, Path(folder)))
    for name, ended in found.items():
        figures = ", ".join(f"{what} {figure:.2f}" for what, figure in ended.figures.items())
        sys.stdout.write(f"{name}: {figures}\n")
    return found


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.exhaustive
def test_never_two(results: dict[str, ScenarioResult], name: str) -> None:
    reigns = results[name].terms
    assert reigns
    for (_, end, _, epoch), (start, _, _, later) in pairwise(reigns):
        assert end < start
        assert epoch < later


def test_another_leads_soon_after_the_leader_was_killed(results: dict[str, ScenarioResult]) -> None:
    assert 0 < results["leader_killed"].figures["takes over after kill -9"] < TAKEOVER_SECONDS


def test_paused_leader_is_replaced_and_knows_it_on_resume(results: dict[str, ScenarioResult]) -> None:
    figures = results["leader_stopped"].figures
    assert figures["takes over after SIGSTOP"] < TAKEOVER_SECONDS
    assert figures["works of the woken one"] == 0


def test_isolated_leader_stops_before_another_starts(results: dict[str, ScenarioResult]) -> None:
    figures = results["leader_cut_off"].figures
    assert figures["the one cut off ceases after"] < TIMING.valid_seconds
    assert figures["takes over after the cut"] < TAKEOVER_SECONDS
    assert figures["between the two"] > TIMING.margin_seconds
    assert figures["works of the one that came back"] == 0


def test_short_outage_changes_nothing(results: dict[str, ScenarioResult]) -> None:
    figures = results["leader_cut_off_briefly"].figures
    assert figures["works of the other"] == 0
    assert figures["goes on"] > 0
    assert len(results["leader_cut_off_briefly"].terms) == 1


def test_clean_shutdown_hands_over_immediately(results: dict[str, ScenarioResult]) -> None:
    assert results["leader_shut_down"].figures["takes over after a stop"] < 3


def test_one_of_many_standbys_leads(results: dict[str, ScenarioResult]) -> None:
    assert results["crowd"].figures["leaders among them"] == 1
