"""The row about waking: the first request to a preview that sleeps, against starting its app by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from programs.kit import identifiers
from programs.kit.processes import program_files, sandbox
from programs.targets.local import settings as local_settings
from programs.targets.local import supervised_services
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import TIMEOUT, RunningEph, running_eph


async def wake_row(size: Size) -> Row:
    """In turns, one of each for warming up first; and once with two hundred requests at the same moment."""
    many = size.cold
    ours, theirs = [], []
    async with running_eph(size) as running:
        [number] = await running.open_pulls(1)
        await running.label(number)
        await running.wait_until_answering([number])
        for _ in range(size.turns):
            await sleep(running, number, size.settle)
            theirs.append(await asyncio.to_thread(time_manual_start, running.world.settings.target_mapping("local")))
            ours.append((await send_requests(running, number, 1))[0])
        await sleep(running, number, size.settle)
        starts = await wake_count(running, number)
        cold = await send_requests(running, number, many)
        starts = await wake_count(running, number) - starts
    ours, theirs = ours[size.warm_ups :], theirs[size.warm_ups :]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(
        "wake",
        (Figure("ratio", ratio, 1.3), Figure("starts", starts, 1), Figure("answers", len(cold), many, at_least=True)),
        f"request to a sleeping preview until its response: {seconds(ours)}; {many} at once: {max(cold):.2f} s",
        f"the same command lines started by hand until they respond: {seconds(theirs)}",
    )


def view_of(running: RunningEph, number: int) -> EnvironmentView:
    return next(view for view in running.ephd.system.service.environments() if view.key and view.key.number == number)


def is_idle(preview: EnvironmentView) -> bool:
    """Its tests visit it, so one that was put to sleep while they run would be woken by them."""
    return preview.phase is Phase.READY and not any(suite.state in ("waiting", "running") for suite in preview.tests)


async def sleep(running: RunningEph, number: int, settle: float) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not is_idle(view_of(running, number)):
            await asyncio.sleep(0.05)
        await running.ephd.system.service.sleep(str(view_of(running, number).ref), "bench")
        while view_of(running, number).asleep_since is None or running.ephd.system.service.status().running:
            await asyncio.sleep(0.05)
    await asyncio.sleep(settle)  # the warm interpreter that was used is replaced meanwhile


async def send_requests(running: RunningEph, number: int, count: int) -> list[float]:
    """Seconds until each of that many requests succeeds."""
    return await request_host(running, view_of(running, number).host, count)


async def request_host(running: RunningEph, host: str, count: int) -> list[float]:
    """Measured in a process of their own: this one runs ephd."""
    gateway = f"http://{running.world.settings.gateway_listen}/"
    command = [sys.executable, "-m", "tests.bench.visitors", gateway, host, str(count)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    if process.stdin is None or process.stdout is None:
        raise AssertionError("they were asked for as pipes")
    await process.stdout.readline()
    output, _ = await process.communicate(b"go\n")
    if process.returncode:
        raise RuntimeError(f"{count} cold requests: exit status {process.returncode}; the reason is printed above")
    return [float(seconds) for seconds in json.loads(output)]


async def wake_count(running: RunningEph, number: int) -> int:
    found = await running.ephd.system.service.events(str(view_of(running, number).ref), 0, 1000, True)
    return sum(event.kind == EventKind.ENVIRONMENT_WAKING for event in found)


def time_manual_start(raw_settings: dict[str, str], environment: str = "") -> float:
    """What supervisord would start, started by us in the same sandbox with the same variables. ``environment``: which
    one, if there are several."""
    on = local_settings.from_mapping(raw_settings)
    programs = [found for name in program_files.list_programs(on) if (found := identifiers.parse_program(name))]
    programs = [found for found in programs if environment in ("", found.environment)]
    notes = [json.loads(program_files.note(on, str(program))) for program in programs]
    launches = [json.loads((on.launches / f"{program}.json").read_text()) for program in programs]
    begun = time.monotonic()
    started = [_start_process(on.root / f"by-hand-{index}.json", launch) for index, launch in enumerate(launches)]
    try:
        while not all(
            supervised_services.is_answering(on, program, note["port"], note["path"])
            for program, note in zip(programs, notes, strict=True)
        ):
            time.sleep(0.005)
        return time.monotonic() - begun
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _start_process(file: Path, launch: dict[str, object]) -> subprocess.Popen[bytes]:
    """By the same launcher, which otherwise verifies that supervisord is its parent."""
    file.write_text(json.dumps({**launch, "parent": ""}))
    quiet = subprocess.DEVNULL
    command = sandbox.launch_command(file)
    return subprocess.Popen(command, cwd="/", stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
