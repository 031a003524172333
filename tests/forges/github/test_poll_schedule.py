"""How fast we send requests, and which repositories wait if the hour's quota isn't enough for all. Row: L4."""

from __future__ import annotations

import itertools
import re
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


def test_reads_stay_under_githubs_limit_per_minute() -> None:
    clock = FixedClock()
    line = RateLimiter(clock)
    assert [line.acquire_read() for _ in range(rate_limiter.READS_PER_MINUTE)] == [0.0] * rate_limiter.READS_PER_MINUTE
    clock.now += 20
    assert line.acquire_read() == 40.0
    clock.now += 40
    assert line.acquire_read() == 0.0


def test_clock_set_back_makes_no_wait_longer() -> None:
    """Found by ``make chaos``: after two hours ahead for a moment, nothing was read or written for two hours."""
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


def test_new_content_stays_under_githubs_limit_per_hour() -> None:
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
    """An hour of cycles on a host without ETags: every read costs one; an active one costs two."""
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


def test_remaining_quota_is_spread_over_all() -> None:
    """12,000 reads would be needed and 5,000 are left: none is forgotten, and something is left at the end."""
    spent, read = simulate_hour(PollSchedule(30), 5000, 5000, {3})
    assert 3500 <= spent <= 4600
    gaps = [max(b - a for a, b in itertools.pairwise(looks)) for looks in read.values()]
    assert max(gaps) <= 8
    assert len(read[3]) >= max(len(looks) for number, looks in read.items() if number != 3)


def test_with_little_quota_turns_are_longer_but_still_come() -> None:
    spent, read = simulate_hour(PollSchedule(30), 5000, 900, set())
    assert spent <= 500 + 120
    assert all(looks for looks in read.values())


def test_quiet_repositories_cost_nothing_so_all_are_read() -> None:
    """If the host has ETags, a cycle over a thousand quiet repositories costs nothing."""
    rota = PollSchedule(30)
    for number in REPOSITORIES:
        for _ in range(40):
            rota.record_read(number, 0.0, 0)
    assert (
        rota.select(REPOSITORIES, ApiUsage(remaining=600, limit=5000, reset=1_003_600), 1_000_000).deferred
        == frozenset()
    )


def test_note_says_how_many_wait_and_why() -> None:
    turn = PollSchedule(30).select(REPOSITORIES, ApiUsage(remaining=700, limit=5000, reset=1_003_600), 1_000_000)
    assert turn.deferred
    late, repositories, remaining, limit, minutes = map(int, re.findall(r"\d+", turn.note))
    assert (late, repositories) == (len(turn.deferred), len(REPOSITORIES))
    assert (remaining, limit, minutes) == (700, 5000, 60)


def test_start_that_reads_everything_delays_no_repository() -> None:
    """L1: each read counted once, even twice, and most of the quota is left."""
    rota = PollSchedule(30)
    for number in REPOSITORIES:
        for _ in range(2):
            rota.record_read(number, 1_000_000, 2)
    cost = ApiUsage(remaining=4196, limit=5000, reset=1_003_540)
    assert rota.select(REPOSITORIES, cost, 1_000_060) == PollDecision()
    assert rota.select(REPOSITORIES, replace(cost, remaining=2400), 1_000_060).deferred


def test_host_without_limits_delays_no_repository() -> None:
    assert PollSchedule(30).select(REPOSITORIES, ApiUsage(), 1_000_000).deferred == frozenset()
