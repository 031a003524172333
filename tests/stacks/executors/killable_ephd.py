"""``python -m tests.stacks.executors.killable_ephd FOLDER TOOLS VERSION``: an earlier life of ephd, to be killed in the
middle.

It opens a pool on the bench in FOLDER, starts an update of pr-1, and waits for its end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from stacks.executors.process.pool import Pool
from tests.stack_folders import stack_paths
from tests.stacks.stack_bench import OperationFactory


async def run_ephd(folder: Path, tools: str, version: str) -> None:
    places = stack_paths(folder, pulumi_home=folder / "home", passphrase_file=folder / "pass", tools=tools)
    pool = Pool(places, version)
    await pool.open()
    lane = pool.start(
        OperationFactory({"folder": str(folder / "target")}).up(1, "aaaa", ("one", "two")), lambda _: None
    )
    await lane.wait()


if __name__ == "__main__":
    asyncio.run(run_ephd(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
