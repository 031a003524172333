"""ephd as a whole over many environments, in a process of its own that says how much memory it takes:
``python -m tests.bench.memory_probe HOME API-PORT GATEWAY-PORT
COUNT``."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import psutil

from orchestrator.app.running import RunningEphd, running
from orchestrator.core.views.phases import Phase
from programs.kit.processes import process_table
from tests.bench import thousand_environments
from tests.bench.systems import tools

CYCLES = 3
TIMEOUT = 60.0


async def main(home: Path, addresses: tuple[int, int], count: int) -> dict[str, float]:
    settings = thousand_environments.settings(home, addresses, count)
    forge = thousand_environments.create_forge(count)
    async with running(settings, tools(), stop_gateway=True, forge=forge) as ephd:
        return await measure(ephd, count)


async def measure(ephd: RunningEphd, count: int) -> dict[str, float]:
    await _wait_until_ready(ephd, count)
    for _ in range(CYCLES):
        await _run_cycle(ephd)
    return {
        "megabytes": _process_status_mb("self", "VmRSS"),
        "most": _process_status_mb("self", "VmHWM"),
        "worker": max((_process_status_mb(pid, "VmRSS") for pid in _workers()), default=0.0),
    }


async def _wait_until_ready(ephd: RunningEphd, count: int) -> None:
    try:
        async with asyncio.timeout(TIMEOUT):
            while sum(view.phase is Phase.READY for view in ephd.system.cycles.latest.views) < count:
                await asyncio.sleep(0.2)
    except TimeoutError:
        phases = Counter(view.phase.value for view in ephd.system.cycles.latest.views)
        raise RuntimeError(f"not all became ready: {dict(phases)}, {ephd.system.service.status()}") from None


async def _run_cycle(ephd: RunningEphd) -> None:
    before = ephd.system.cycles.latest.at
    ephd.system.ports.wakeups.wake(refresh=True)
    async with asyncio.timeout(TIMEOUT):
        while ephd.system.cycles.latest.at == before:
            await asyncio.sleep(0.2)


def _process_status_mb(process: str, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _workers() -> list[str]:
    children = psutil.Process().children()
    return [str(child.pid) for child in children if "stacks.worker" in process_table.command_line(child.pid)]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = asyncio.run(main(Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3])), int(sys.argv[4])))
    sys.stdout.write(json.dumps(found) + "\n")
