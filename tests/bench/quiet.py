"""Rows about a thousand environments with nothing to do: a cycle's time, ephd's memory; and plan() at ten thousand."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.server
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from orchestrator.app.demo.world import free_port
from orchestrator.app.wiring import Wiring
from orchestrator.core import plans
from orchestrator.core.model import World
from orchestrator.core.policy import Policy
from orchestrator.runtime.loop import Loop
from programs.local.target import TARGET
from tests.bench import thousand
from tests.bench.rows import Figure, Row, seconds
from tests.bench.thousand import COUNT
from tests.bench.worlds import folder
from tests.core.test_speed import NOW, large

TURNS = 3


@contextlib.asynccontextmanager
async def _world() -> AsyncIterator[tuple[Wiring, Path]]:
    with folder() as home:
        settings = thousand.settings(home, (free_port(), free_port()))
        parts = thousand.wire(settings)
        try:
            await asyncio.to_thread(parts.prepare)
            await thousand.populate(parts, home)
            yield parts, home
        finally:
            parts.ledger.close()
            TARGET.stop(settings.local_settings())


async def quiet_cycle() -> Row:
    """In turns. The first cycle of a life, which reads every file, is told beside."""

    async def well(_host: str, _path: str) -> tuple[bool, str]:
        return True, "/healthz answered 200"

    async with _world() as (parts, _home):
        loop, executor, monitor = parts.loop(well)
        try:
            first = await _cycle(loop)
            await _cycle(loop)  # the first that knows that all of them answer
            ours, theirs = [], []
            for _ in range(TURNS):
                ours.append(await _cycle(loop))
                _nothing_to_do(loop)
                theirs.append(await asyncio.to_thread(_stack_ls, parts.places.environment()))
        finally:
            await monitor.close()
            await executor.close()
    return Row(
        "quiet-cycle",
        (Figure("ratio", statistics.median(ours) / statistics.median(theirs), 0.5), Figure("updates", 0, 0)),
        f"a cycle over {COUNT} stacks: {seconds(ours)}; the first after a start: {first:.2f} s",
        f"`pulumi stack ls --all`: {seconds(theirs)}",
    )


async def _cycle(loop: Loop) -> float:
    begun = time.monotonic()
    await loop.cycle(look=True)
    return time.monotonic() - begun


def _nothing_to_do(loop: Loop) -> None:
    plan, views = loop.shown.plan, loop.shown.views
    if plan is None or len(views) != COUNT:
        raise RuntimeError(f"{COUNT} environments should be seen, not {len(views)}")
    if plan.changes:
        raise RuntimeError(f"the world is not quiet: {len(plan.changes)} changes, the first is {plan.changes[0]}")


def _stack_ls(environment: dict[str, str]) -> float:
    begun = time.monotonic()
    command = ["pulumi", "stack", "ls", "--all", "--non-interactive"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    if done.stdout.count("\n") < COUNT:
        raise RuntimeError(f"pulumi lists fewer than {COUNT} stacks")
    return time.monotonic() - begun


async def ephd_memory() -> Row:
    async with _world() as (parts, home):
        with _app() as upstream:
            thousand.route(parts, upstream)
            addresses = [parts.settings.listen_on[1], parts.settings.gateway_listen_on[1]]
            told = await asyncio.to_thread(_watch, home, addresses)
    return Row(
        "ephd-memory",
        (Figure("megabytes", told["megabytes"], 250.0),),
        f"ephd with {COUNT} environments, all of them asked for their health: {told['megabytes']:.0f} MB resident, "
        f"{told['most']:.0f} MB at most",
        f"one worker that waits for an operation: {told['worker']:.0f} MB",
    )


def _watch(home: Path, addresses: list[int]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.watcher", str(home), *map(str, addresses)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ephd: {done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class _Well(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        return


@contextlib.contextmanager
def _app() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Well)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def plan_10000() -> Row:
    """The best of a few turns: other processes and their caches have no part in it."""
    half, whole = _large(5000), _large(10000)
    turns = [(_plan_seconds(*half), _plan_seconds(*whole)) for _ in range(5)]
    smaller, larger = (min(column) for column in zip(*turns, strict=True))
    return Row(
        "plan-10000",
        (Figure("seconds", larger, 0.5), Figure("growth", larger / smaller, 2.6)),
        f"plan() for 10,000 pull requests and stacks, every second to be updated: {larger:.2f} s of CPU",
        f"for 5,000: {smaller:.2f} s",
    )


def _large(number: int) -> tuple[World, Policy]:
    return large(number), Policy(max_environments=2 * number, max_per_repository=2 * number)


def _plan_seconds(seen: World, policy: Policy) -> float:
    gc.collect()
    begun = time.process_time()
    plans.plan(seen, policy, NOW)
    return time.process_time() - begun
