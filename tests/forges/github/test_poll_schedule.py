"""How fast we ask, and who waits when the hour's rest does not suffice for all. Row: L4."""

from __future__ import annotations

import itertools
from dataclasses import replace

from orchestrator.forges.github.http import rate_limiter
from orchestrator.forges.github.http.rate_limiter import RateLimiter
from orchestrator.forges.github.repositories.poll_schedule import PollDecision, PollSchedule
from orchestrator.forges.port import ApiUsage

REPOSITORIES = range(100)


class FixedClock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_readings_stay_under_githubs_limit_of_a_minute() -> None:
    clock = FixedClock()
    line = RateLimiter(clock)
    assert [line.acquire_read() for _ in range(rate_limiter.READS_PER_MINUTE)] == [0.0] * rate_limiter.READS_PER_MINUTE
    clock.now += 20
    assert line.acquire_read() == 40.0
    clock.now += 40
    assert line.acquire_read() == 0.0


def test_a_clock_that_is_set_back_makes_no_wait_longer() -> None:
    """Found by ``make chaos``: after two hours ahead for a moment nothing was read or written for two hours."""
    clock = FixedClock()
    line = RateLimiter(clock)
    clock.now += 7200
    for _ in range(rate_limiter.READS_PER_MINUTE):
        line.acquire_read()
    waits = [line.acquire_write() for _ in range(rate_limiter.WRITE_BURST + 2)]
    clock.now -= 7200
    assert line.acquire_read() == 60.0
    assert line.acquire_write() == waits[-1] + 1
    clock.now += 60
    assert (line.acquire_read(), line.acquire_write()) == (0.0, 0.0)


def test_writes_are_a_burst_and_then_one_a_second() -> None:
    clock = FixedClock()
    line = RateLimiter(clock)
    waits = [line.acquire_write() for _ in range(30)]
    assert waits[: rate_limiter.WRITE_BURST + 1] == [0.0] * (rate_limiter.WRITE_BURST + 1)
    assert waits[rate_limiter.WRITE_BURST + 1 : rate_limiter.WRITE_BURST + 6] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert set(waits[rate_limiter.WRITE_BURST + 6 :]) == {6.0}
    clock.now += 2
    assert line.acquire_write() == 4.0


def test_new_things_stay_under_githubs_limit_of_an_hour() -> None:
    clock = FixedClock()
    line = RateLimiter(clock)
    for _ in range(rate_limiter.CREATES_PER_HOUR):
        assert line.acquire_write(creates=True) <= rate_limiter.MAX_WRITE_WAIT
        clock.now += 1
    assert line.acquire_write(creates=True) > rate_limiter.MAX_WRITE_WAIT
    assert line.acquire_write() <= rate_limiter.MAX_WRITE_WAIT
    clock.now += 3600
    assert line.acquire_write(creates=True) == 0.0


def simulate_hour(
    schedule: PollSchedule, limit: int, remaining: int, busy: set[int]
) -> tuple[int, dict[int, list[int]]]:
    """An hour of looks on a host without ETags: every reading costs one; a busy one with its questions two."""
    start = 1_000_000.0
    read: dict[int, list[int]] = {number: [] for number in REPOSITORIES}
    spent = 0
    for look in range(120):
        now = start + look * 30
        turn = schedule.select(
            REPOSITORIES, ApiUsage(remaining=remaining - spent, limit=limit, reset=int(start + 3600)), now
        )
        for number in REPOSITORIES:
            if number not in turn.deferred:
                cost = 2 if number in busy else 1
                schedule.record_read(number, now, cost)
                read[number].append(look)
                spent += cost
    return spent, read


def test_the_rest_of_the_hour_is_spread_over_all() -> None:
    """12,000 readings would be wanted and 5,000 are left: nobody is forgotten, and something is left at the end."""
    spent, read = simulate_hour(PollSchedule(30), 5000, 5000, {3})
    assert 3500 <= spent <= 4600
    gaps = [max(b - a for a, b in itertools.pairwise(looks)) for looks in read.values()]
    assert max(gaps) <= 8
    assert len(read[3]) >= max(len(looks) for number, looks in read.items() if number != 3)


def test_with_little_left_the_turns_are_longer_and_still_come() -> None:
    spent, read = simulate_hour(PollSchedule(30), 5000, 900, set())
    assert spent <= 500 + 120
    assert all(looks for looks in read.values())


def test_quiet_ones_cost_nothing_so_all_are_read() -> None:
    """Where the host has ETags, a look at a thousand quiet repositories is no question of money."""
    rota = PollSchedule(30)
    for number in REPOSITORIES:
        for _ in range(40):
            rota.record_read(number, 0.0, 0)
    assert (
        rota.select(REPOSITORIES, ApiUsage(remaining=600, limit=5000, reset=1_003_600), 1_000_000).deferred
        == frozenset()
    )


def test_the_note_says_how_many_wait_and_why() -> None:
    turn = PollSchedule(30).select(REPOSITORIES, ApiUsage(remaining=700, limit=5000, reset=1_003_600), 1_000_000)
    assert turn.deferred
    assert turn.note == (
        f"reading {len(turn.deferred)} of 100 repositories later: 700 of 5000 requests remain for 60 minutes"
    )


def test_a_start_that_reads_all_anew_makes_nobody_wait() -> None:
    """L1: each reading counted once, twice even, and most of the hour is left."""
    rota = PollSchedule(30)
    for number in REPOSITORIES:
        for _ in range(2):
            rota.record_read(number, 1_000_000, 2)
    cost = ApiUsage(remaining=4196, limit=5000, reset=1_003_540)
    assert rota.select(REPOSITORIES, cost, 1_000_060) == PollDecision()
    assert rota.select(REPOSITORIES, replace(cost, remaining=2400), 1_000_060).deferred


def test_a_host_that_tells_no_limit_holds_nobody_back() -> None:
    assert PollSchedule(30).select(REPOSITORIES, ApiUsage(), 1_000_000).deferred == frozenset()
