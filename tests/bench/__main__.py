"""Runs the rows, tells each on a line, and writes the page when all of them were run."""

from __future__ import annotations

import asyncio
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence

from tests.bench import environments, quiet
from tests.bench.rows import Row

ROWS: dict[str, Callable[[], Awaitable[Row]]] = {
    "label-to-url": environments.label_to_url,
    "pulumi-processes": environments.pulumi_processes,
    "parallel-20": environments.parallel_20,
    "quiet-cycle": quiet.quiet_cycle,
    "plan-10000": quiet.plan_10000,
    "ephd-memory": quiet.ephd_memory,
}


def main(names: Sequence[str]) -> int:
    for name in names:
        row = asyncio.run(ROWS[name]())
        print(row.line(), row.ours, row.theirs, sep="\n  ", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
