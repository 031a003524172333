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

from orchestrator.app import outside
from orchestrator.app.compose import compose
from orchestrator.app.system import System
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import World
from orchestrator.core.planning import plans
from orchestrator.demo.free_ports import free_port
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.loop import Loop
from programs.targets.local.target import TARGET
from stacks.backends.inventory import StackInventory
from tests.bench import thousand_environments
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import temporary_folder, tools
from tests.core.planning.test_plan_speed import NOW, large_world

ROUNDS = 3


@contextlib.asynccontextmanager
async def _thousand(count: int, upstream: str) -> AsyncIterator[tuple[System, ServerSettings]]:
    with temporary_folder() as home:
        settings = thousand_environments.settings(home, (free_port(), free_port()), count)
        worker = outside.create_worker_settings(settings, tools())
        inventory = StackInventory(worker.backend)
        options, forge = outside.create_options(settings, inventory), thousand_environments.create_forge(count)
        ports = outside.create_ports(settings, worker, inventory, tools().version, forge, _healthy)
        system = compose(ports, options)
        try:
            await system.prepare()
            await thousand_environments.populate(system, worker, upstream)
            yield system, settings
        finally:
            try:
                TARGET.stop(options.targets["local"])
            finally:
                ports.ledger.close()


async def _healthy(origin: str, path: str) -> tuple[bool, str]:
    return True, "/healthz answered 200"


async def quiet_cycle(size: Size) -> Row:
    """In turns. The first cycle of a life, which reads every file, is told beside."""
    count = size.stacks
    async with _thousand(count, "http://127.0.0.1:1") as (system, settings):
        try:
            first = await _time_cycle(system.loop)
            await _time_cycle(system.loop)  # the first that knows that all of them answer
            ours, theirs = [], []
            for _ in range(min(ROUNDS, size.pairs)):
                ours.append(await _time_cycle(system.loop))
                _check_quiet(system.cycles.latest, count)
                environment = outside.create_worker_settings(settings, tools()).environment()
                theirs.append(await asyncio.to_thread(_time_stack_ls, environment, count))
        finally:
            await system.monitor.close()
            await system.executor.close()
    return Row(
        "quiet-cycle",
        (Figure("ratio", statistics.median(ours) / statistics.median(theirs), 0.5), Figure("updates", 0, 0)),
        f"cycle over {count} stacks: {seconds(ours)}; first cycle after a start: {first:.2f} s",
        f"`pulumi stack ls --all`: {seconds(theirs)}",
    )


async def _time_cycle(loop: Loop) -> float:
    begun = time.monotonic()
    await loop.cycle(refresh=True)
    return time.monotonic() - begun


def _check_quiet(cycle: CycleResult, count: int) -> None:
    plan, views = cycle.plan, cycle.views
    if plan is None or len(views) != count:
        raise RuntimeError(f"{count} environments should be seen, not {len(views)}")
    if plan.changes:
        raise RuntimeError(f"the world is not quiet: {len(plan.changes)} changes, the first is {plan.changes[0]}")


def _time_stack_ls(environment: dict[str, str], count: int) -> float:
    begun = time.monotonic()
    command = ["pulumi", "stack", "ls", "--all", "--non-interactive"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    if done.stdout.count("\n") < count:
        raise RuntimeError(f"pulumi lists fewer than {count} stacks")
    return time.monotonic() - begun


async def ephd_memory(size: Size) -> Row:
    with _healthy_app() as upstream:
        async with _thousand(size.stacks, upstream) as (_system, settings):
            addresses = (settings.listen_address[1], settings.gateway_listen_address[1])
            told = await _measure_memory(settings.home.parent, addresses, size.stacks)
    return Row(
        "ephd-memory",
        (Figure("megabytes", told["megabytes"], 250.0),),
        f"ephd with {size.stacks} environments, with health checks: {told['megabytes']:.0f} MB "
        f"resident, {told['most']:.0f} MB at most",
        f"one worker waiting for an operation: {told['worker']:.0f} MB",
    )


async def _measure_memory(home: Path, addresses: tuple[int, int], count: int) -> dict[str, float]:
    """It ends before this returns or raises: while it lives, it brings back what the target lacks."""
    command = [sys.executable, "-m", "tests.bench.memory_probe", str(home), *map(str, addresses), str(count)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"ephd: {err.decode(errors='replace')[-600:]}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


class _HealthyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@contextlib.contextmanager
def _healthy_app() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _HealthyHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def plan_10000(size: Size) -> Row:
    """The best of a few turns: other processes and their caches have no part in it."""
    half, whole = _large_case(size.planned // 2), _large_case(size.planned)
    turns = [(_plan_seconds(*half), _plan_seconds(*whole)) for _ in range(5)]
    smaller, larger = (min(column) for column in zip(*turns, strict=True))
    return Row(
        "plan-10000",
        (Figure("seconds", larger, 0.5), Figure("growth", larger / smaller, 2.6)),
        f"plan() for {size.planned:,} pull requests and stacks, half of them to be updated: {larger:.2f} s of CPU",
        f"for {size.planned // 2:,}: {smaller:.2f} s",
    )


def _large_case(number: int) -> tuple[World, Policy]:
    return large_world(number), Policy(max_environments=2 * number, max_per_repository=2 * number)


def _plan_seconds(world: World, policy: Policy) -> float:
    gc.collect()
    begun = time.process_time()
    plans.plan(world, policy, NOW)
    return time.process_time() - begun
