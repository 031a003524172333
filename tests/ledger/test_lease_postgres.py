"""Replicas as real processes on a real PostgreSQL, killed, stopped and cut off: one leads, soon, and never two (O2).

The stories run side by side, each with a lease of its own; they are told with ``-s`` or when one fails.
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

from orchestrator.ledger.lease import Timing, running_clock
from tests.ledger import servers
from tests.ledger.servers import Server

pytestmark = [pytest.mark.real, pytest.mark.long]

ROOT = Path(__file__).parents[2]
SOON = 15.0
"""O2: another takes over within 15 s."""
TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Beat:
    at: float
    pid: int
    epoch: int


class Story:
    """Some replicas of one name, and all that they wrote."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self._file = file
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def replica(self, url: str) -> int:
        words = ["-m", "tests.ledger.replica", url, self.name, str(self._file)]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=quiet, stderr=quiet)
        self._processes[process.pid] = process
        await self._until(lambda: f" {process.pid} up\n" in self._text(), 60)
        return process.pid

    def send(self, pid: int, number: int) -> float:
        self._processes[pid].send_signal(number)
        return running_clock()

    async def end(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()

    async def gone(self, pid: int) -> None:
        await self._processes[pid].wait()

    def beats(self, pid: int = 0, after: float = 0.0) -> list[Beat]:
        lines = [line.split() for line in self._text().splitlines() if not line.endswith(" up")]
        found = [Beat(float(at), int(who), int(epoch)) for at, who, epoch in lines]
        return [beat for beat in found if beat.at > after and pid in (0, beat.pid)]

    async def led_by(self, pid: int, after: float, seconds: float = SOON + 45) -> float:
        """When that replica first worked after a moment."""
        await self._until(lambda: bool(self.beats(pid, after)), seconds)
        return self.beats(pid, after)[0].at

    def _text(self) -> str:
        return self._file.read_text() if self._file.exists() else ""

    async def _until(self, wanted: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not wanted():
                await asyncio.sleep(0.05)

    def reigns(self) -> list[tuple[float, float, int, int]]:
        """From, to, whose, and of which epoch."""
        found: dict[tuple[int, int], list[float]] = {}
        for beat in self.beats():
            found.setdefault((beat.epoch, beat.pid), []).append(beat.at)
        return sorted((min(times), max(times), pid, epoch) for (epoch, pid), times in found.items())


@dataclass(frozen=True, slots=True)
class Ended:
    """What a story came to: figures by name, and its reigns."""

    figures: dict[str, float]
    reigns: list[tuple[float, float, int, int]]


Play = Callable[[Story, Server], Awaitable[dict[str, float]]]


async def two(story: Story, server: Server, port: int = 0) -> tuple[int, int, str]:
    """A leader, on a line of its own if so wished, and one that waits."""
    database = server.database()
    leader = await story.replica(server.url(database, port))
    await story.led_by(leader, 0.0)
    return leader, await story.replica(server.url(database)), server.url(database)


async def killed(story: Story, server: Server) -> dict[str, float]:
    leader, other, _ = await two(story, server)
    await asyncio.sleep(1)
    at = story.send(leader, signal.SIGKILL)
    return {"takes over after kill -9": await story.led_by(other, at) - at}


async def stopped(story: Story, server: Server) -> dict[str, float]:
    leader, other, _ = await two(story, server)
    at = story.send(leader, signal.SIGSTOP)
    taken = await story.led_by(other, at)
    woken = story.send(leader, signal.SIGCONT)
    await asyncio.sleep(3)
    worked = len(story.beats(leader, woken))
    return {"takes over after SIGSTOP": taken - at, "works of the woken one": worked}


async def cut_off(story: Story, server: Server) -> dict[str, float]:
    with servers.line(server.port) as line:
        leader, other, _ = await two(story, server, line.port)
        line.cut()
        at = running_clock()
        taken = await story.led_by(other, at)
        ceased = story.beats(leader)[-1].at
        line.mend()
        await asyncio.sleep(3)
        late = len(story.beats(leader, taken))
    return {
        "the one cut off ceases after": ceased - at,
        "takes over after the cut": taken - at,
        "between the two": taken - ceased,
        "works of the one that came back": late,
    }


async def cut_off_for_a_moment(story: Story, server: Server) -> dict[str, float]:
    """Shorter than the lease: nobody takes over, the leader leads on in its epoch."""
    with servers.line(server.port) as line:
        leader, other, _ = await two(story, server, line.port)
        line.cut()
        await asyncio.sleep(2)
        line.mend()
        await asyncio.sleep(8)
        return {"works of the other": len(story.beats(other)), "goes on": len(story.beats(leader, running_clock() - 1))}


async def ended_well(story: Story, server: Server) -> dict[str, float]:
    leader, other, _ = await two(story, server)
    at = story.send(leader, signal.SIGTERM)
    await story.gone(leader)
    return {"takes over after a stop": await story.led_by(other, at) - at}


async def crowd(story: Story, server: Server) -> dict[str, float]:
    """Five wait for the place of one."""
    leader, other, url = await two(story, server)
    waiting = [other, *[await story.replica(url) for _ in range(4)]]
    at = story.send(leader, signal.SIGTERM)
    taken = await first(story, waiting, at)
    return {
        "takes over, five waiting": taken - at,
        "leaders among them": len({beat.pid for beat in story.beats(0, at)}),
    }


async def first(story: Story, pids: list[int], after: float) -> float:
    done, pending = await asyncio.wait(
        [asyncio.create_task(story.led_by(pid, after)) for pid in pids], return_when=asyncio.FIRST_COMPLETED
    )
    await asyncio.sleep(2)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return min(task.result() for task in done)


PLAYS: dict[str, Play] = {play.__name__: play for play in (killed, stopped, cut_off, cut_off_for_a_moment, ended_well)}
PLAYS["crowd"] = crowd


async def play(name: str, server: Server, folder: Path) -> Ended:
    story = Story(name, folder / name)
    try:
        figures = await PLAYS[name](story, server)
        return Ended(figures, story.reigns())
    finally:
        await story.end()


async def play_all(server: Server, folder: Path) -> dict[str, Ended]:
    ended = await asyncio.gather(*(play(name, server, folder) for name in PLAYS))
    return dict(zip(PLAYS, ended, strict=True))


@pytest.fixture(scope="module")
def stories(server: Server) -> dict[str, Ended]:
    with tempfile.TemporaryDirectory(prefix="eph-lease-") as folder:
        found = asyncio.run(play_all(server, Path(folder)))
    for name, ended in found.items():
        figures = ", ".join(f"{what} {figure:.2f}" for what, figure in ended.figures.items())
        sys.stdout.write(f"{name}: {figures}\n")
    return found


@pytest.mark.parametrize("name", PLAYS)
def test_never_two(stories: dict[str, Ended], name: str) -> None:
    reigns = stories[name].reigns
    assert reigns
    for (_, end, _, epoch), (start, _, _, later) in pairwise(reigns):
        assert end < start
        assert epoch < later


def test_another_leads_soon_after_the_leader_was_killed(stories: dict[str, Ended]) -> None:
    assert 0 < stories["killed"].figures["takes over after kill -9"] < SOON


def test_a_stopped_leader_is_replaced_and_knows_it_when_it_wakes(stories: dict[str, Ended]) -> None:
    figures = stories["stopped"].figures
    assert figures["takes over after SIGSTOP"] < SOON
    assert figures["works of the woken one"] == 0


def test_a_leader_cut_off_ceases_before_another_begins(stories: dict[str, Ended]) -> None:
    figures = stories["cut_off"].figures
    assert figures["the one cut off ceases after"] < TIMING.valid
    assert figures["takes over after the cut"] < SOON
    assert figures["between the two"] > TIMING.margin
    assert figures["works of the one that came back"] == 0


def test_a_short_cut_changes_nothing(stories: dict[str, Ended]) -> None:
    figures = stories["cut_off_for_a_moment"].figures
    assert figures["works of the other"] == 0
    assert figures["goes on"] > 0
    assert len(stories["cut_off_for_a_moment"].reigns) == 1


def test_a_leader_that_ends_well_hands_over_at_once(stories: dict[str, Ended]) -> None:
    assert stories["ended_well"].figures["takes over after a stop"] < 3


def test_of_many_that_wait_one_leads(stories: dict[str, Ended]) -> None:
    assert stories["crowd"].figures["leaders among them"] == 1
