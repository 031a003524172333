"""How fast we ask, and who waits when the hour's rest does not suffice for all. Row: L4."""

from __future__ import annotations

import itertools
from dataclasses import replace

from orchestrator.forge.github import pace
from orchestrator.forge.github.pace import Pace
from orchestrator.forge.github.rota import Rota, Turn
from orchestrator.forge.port import Cost

ALL = range(100)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_readings_stay_under_githubs_limit_of_a_minute() -> None:
    clock = Clock()
    line = Pace(clock)
    assert [line.read() for _ in range(pace.READS_A_MINUTE)] == [0.0] * pace.READS_A_MINUTE
    clock.now += 20
    assert line.read() == 40.0
    clock.now += 40
    assert line.read() == 0.0


def test_a_clock_that_is_set_back_makes_no_wait_longer() -> None:
    """Found by ``make chaos``: after two hours ahead for a moment nothing was read or written for two hours."""
    clock = Clock()
    line = Pace(clock)
    clock.now += 7200
    for _ in range(pace.READS_A_MINUTE):
        line.read()
    waits = [line.write() for _ in range(pace.BURST + 2)]
    clock.now -= 7200
    assert line.read() == 60.0
    assert line.write() == waits[-1] + 1
    clock.now += 60
    assert (line.read(), line.write()) == (0.0, 0.0)


def test_writes_are_a_burst_and_then_one_a_second() -> None:
    clock = Clock()
    line = Pace(clock)
    waits = [line.write() for _ in range(30)]
    assert waits[: pace.BURST + 1] == [0.0] * (pace.BURST + 1)
    assert waits[pace.BURST + 1 : pace.BURST + 6] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert set(waits[pace.BURST + 6 :]) == {6.0}
    clock.now += 2
    assert line.write() == 4.0


def test_new_things_stay_under_githubs_limit_of_an_hour() -> None:
    clock = Clock()
    line = Pace(clock)
    for _ in range(pace.NEW_AN_HOUR):
        assert line.write(new=True) <= pace.PATIENCE
        clock.now += 1
    assert line.write(new=True) > pace.PATIENCE
    assert line.write() <= pace.PATIENCE
    clock.now += 3600
    assert line.write(new=True) == 0.0


def hour(rota: Rota, limit: int, left: int, busy: set[int]) -> tuple[int, dict[int, list[int]]]:
    """An hour of looks on a host without ETags: every reading costs one; a busy one with its questions two."""
    start = 1_000_000.0
    read: dict[int, list[int]] = {number: [] for number in ALL}
    spent = 0
    for look in range(120):
        now = start + look * 30
        turn = rota.turn(ALL, Cost(remaining=left - spent, limit=limit, reset=int(start + 3600)), now)
        for number in ALL:
            if number not in turn.left_out:
                cost = 2 if number in busy else 1
                rota.was_read(number, now, cost)
                read[number].append(look)
                spent += cost
    return spent, read


def test_the_rest_of_the_hour_is_spread_over_all() -> None:
    """12,000 readings would be wanted and 5,000 are left: nobody is forgotten, and something is left at the end."""
    spent, read = hour(Rota(30), 5000, 5000, {3})
    assert 3500 <= spent <= 4600
    gaps = [max(b - a for a, b in itertools.pairwise(looks)) for looks in read.values()]
    assert max(gaps) <= 8
    assert len(read[3]) >= max(len(looks) for number, looks in read.items() if number != 3)


def test_with_little_left_the_turns_are_longer_and_still_come() -> None:
    spent, read = hour(Rota(30), 5000, 900, set())
    assert spent <= 500 + 120
    assert all(looks for looks in read.values())


def test_quiet_ones_cost_nothing_so_all_are_read() -> None:
    """Where the host has ETags, a look at a thousand quiet repositories is no question of money."""
    rota = Rota(30)
    for number in ALL:
        for _ in range(40):
            rota.was_read(number, 0.0, 0)
    assert rota.turn(ALL, Cost(remaining=600, limit=5000, reset=1_003_600), 1_000_000).left_out == frozenset()


def test_the_note_says_how_many_wait_and_why() -> None:
    turn = Rota(30).turn(ALL, Cost(remaining=700, limit=5000, reset=1_003_600), 1_000_000)
    assert turn.left_out
    assert turn.note == (
        f"{len(turn.left_out)} of 100 repositories wait for a later look: 700 of 5000 requests are left for 60 minutes"
    )


def test_a_start_that_reads_all_anew_makes_nobody_wait() -> None:
    """L1: each reading counted once, twice even, and most of the hour is left."""
    rota = Rota(30)
    for number in ALL:
        for _ in range(2):
            rota.was_read(number, 1_000_000, 2)
    cost = Cost(remaining=4196, limit=5000, reset=1_003_540)
    assert rota.turn(ALL, cost, 1_000_060) == Turn()
    assert rota.turn(ALL, replace(cost, remaining=2400), 1_000_060).left_out


def test_a_host_that_tells_no_limit_holds_nobody_back() -> None:
    assert Rota(30).turn(ALL, Cost(), 1_000_000).left_out == frozenset()
