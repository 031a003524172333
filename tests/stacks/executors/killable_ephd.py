"""``python -m tests.stacks.executors.killable_ephd FOLDER TOOLS VERSION``: an earlier process of ephd, to be killed in
the middle of an operation.

It opens a pool on the bench in FOLDER, starts an update of pr-1, and waits for its end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.stack_folders import allow_removal, process_executor, worker_settings
from tests.stacks.stack_bench import OperationFactory


async def run_ephd(folder: Path, tools: str, version: str) -> None:
    settings = worker_settings(folder, pulumi_home=folder / "home", passphrase_file=folder / "pass", tools=tools)
    executor = process_executor(settings, version, warm_workers=1)
    await executor.open()
    lane = executor.start(
        OperationFactory({"folder": str(folder / "target")}).up(1, "aaaa", ("one", "two")),
        lambda _: None,
        allow_removal,
    )
    await lane.wait()


if __name__ == "__main__":
    asyncio.run(run_ephd(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
