"""The shared caches: bounded, the newest entries stay, and entries expire by the clock that is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from programs.kit.caches import BoundedCache, ExpiringCache

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_bounded_cache_drops_what_was_written_first() -> None:
    cache: BoundedCache[int, str] = BoundedCache(2)
    cache.put(1, "a")
    cache.put(2, "b")
    cache.put(1, "c")  # writing again counts as new
    cache.put(3, "d")
    assert [cache.get(key) for key in (1, 2, 3)] == ["c", None, "d"]
    assert len(cache) == 2


def test_drop_where_returns_the_dropped_keys() -> None:
    cache: BoundedCache[int, str] = BoundedCache(9)
    for key in range(4):
        cache.put(key, "x")
    assert cache.drop_where(lambda key: key % 2 == 0) == [0, 2]
    assert 1 in cache
    assert 2 not in cache


def test_expiring_cache_follows_its_clock() -> None:
    now = [START]
    cache: ExpiringCache[str, int] = ExpiringCache(5, timedelta(minutes=1), lambda: now[0])
    cache.put("a", 1)
    now[0] += timedelta(seconds=59)
    assert cache.get("a") == 1
    now[0] += timedelta(seconds=1)
    assert cache.get("a") is None
