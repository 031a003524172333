"""Slow names of one environment delay nothing else in the relay (S3)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from programs.kit.isolation import lookups
from programs.kit.isolation.egress import EgressProxy
from programs.kit.isolation.lookups import AT_ONCE, Lookups


class SlowNames:
    """Names that resolve once they're released. Names without ``slow`` resolve at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()

    def resolve(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.released.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]


@contextmanager
def slow_names(threads: int) -> Iterator[tuple[SlowNames, ThreadPoolExecutor]]:
    names = SlowNames()
    with ThreadPoolExecutor(threads) as executor:
        try:
            yield names, executor
        finally:
            names.released.set()


async def ask_for_slow_names(own: Lookups, count: int) -> list[asyncio.Task[list[str]]]:
    tasks = [asyncio.create_task(own.addresses(f"slow-{number}.test", 80)) for number in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def test_slow_names_of_one_environment_delay_neither_its_neighbour_nor_other_threads() -> None:
    """60 of them delayed the relay's listeners, and so new environments, by half a minute."""

    async def run(names: SlowNames, executor: ThreadPoolExecutor) -> None:
        attacker, neighbour = (Lookups(names.resolve, executor) for _ in range(2))
        tasks = await ask_for_slow_names(attacker, 60)
        async with asyncio.timeout(5):
            assert await neighbour.addresses("fast.test", 80) == ["192.0.2.1"]
            assert await asyncio.to_thread(lambda: "other work") == "other work"
        assert len(names.asked) <= AT_ONCE + 1
        names.released.set()
        assert await asyncio.gather(*tasks) == [["192.0.2.1"]] * 60

    with slow_names(AT_ONCE + 1) as (names, executor):
        asyncio.run(run(names, executor))


def test_lookup_keeps_its_place_after_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is still busy. Otherwise, repeating the attack would take all threads."""

    async def run(names: SlowNames, executor: ThreadPoolExecutor) -> None:
        own = Lookups(names.resolve, executor)
        for _ in range(2):
            tasks = await ask_for_slow_names(own, AT_ONCE)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(item) for item in outcomes] == [TimeoutError] * AT_ONCE
        assert len(names.asked) == AT_ONCE
        names.released.set()
        async with asyncio.timeout(5):
            monkeypatch.setattr(lookups, "SECONDS", 5.0)
            assert await own.addresses("fast.test", 80) == ["192.0.2.1"]

    monkeypatch.setattr(lookups, "SECONDS", 0.02)
    with slow_names(4 * AT_ONCE) as (names, executor):
        asyncio.run(run(names, executor))


def test_name_that_does_not_exist_frees_its_place() -> None:
    def refuse(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def run() -> None:
        own = Lookups(refuse)
        for _ in range(AT_ONCE + 1):
            with pytest.raises(socket.gaierror):
                await own.addresses("unknown.test", 80)

    asyncio.run(run())


def test_each_environments_proxy_has_lookups_of_its_own() -> None:
    assert EgressProxy()._lookups is not EgressProxy()._lookups
