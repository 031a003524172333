"""The row about builds that share the machine: eight labels at once with one build per CPU, and with four at a time."""

from __future__ import annotations

import asyncio
import os
import statistics
import time

from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import LIMITS, running_eph

LABELS = 8
PER_CPU, AT_A_TIME = 0, 4
"""Values of ``limits.builds``."""
BUILD = """
set -eu
python3 -c "
import ast, glob, os
for path in glob.glob(os.path.dirname(os.__file__) + '/*.py'):
    ast.parse(open(path, 'rb').read())
"
mkdir -p dist
cp page.html dist/page.html
"""
"""Bound by the CPU, like a compiler: it parses Python's standard library."""


async def builds(size: Size) -> Row:
    """In turns, of which the first and the last are Eph's default, so that a machine that grows busy slows both."""
    labels = min(LABELS, size.many)
    last: dict[int, list[float]] = {PER_CPU: [], AT_A_TIME: []}
    each: dict[int, list[float]] = {PER_CPU: [], AT_A_TIME: []}
    turns = (PER_CPU, AT_A_TIME) if size.pairs == 1 else (PER_CPU, AT_A_TIME, AT_A_TIME, PER_CPU)
    for limit in turns:
        whole, waits = await _label_at_once(size, limit)
        last[limit].append(whole)
        each[limit] += waits
    return Row(
        "builds",
        (
            Figure("last", statistics.mean(last[PER_CPU]) / statistics.mean(last[AT_A_TIME]), 1.0),
            Figure("average", statistics.mean(each[PER_CPU]) / statistics.mean(each[AT_A_TIME]), 1.0),
        ),
        f"one build per CPU ({len(os.sched_getaffinity(0))}), {labels} labels at once until all respond: "
        f"{seconds(last[PER_CPU])}; each: {seconds(each[PER_CPU])}",
        f"`limits.builds = {AT_A_TIME}`: {seconds(last[AT_A_TIME])}; each: {seconds(each[AT_A_TIME])}",
    )


async def _label_at_once(size: Size, limit: int) -> tuple[float, list[float]]:
    """Seconds until all respond, and of each."""
    labels = min(LABELS, size.many)
    async with running_eph(size, limits={**LIMITS, "builds": limit}, workers=labels) as running:
        first, *pulls = await running.open_pulls(labels + 1, **{"build.sh": BUILD})
        await running.seconds_until_ready(first)
        begun = time.monotonic()
        waits = await asyncio.gather(*(running.seconds_until_ready(number) for number in pulls))
        return time.monotonic() - begun, waits
