"""``python -m stacks.provider``: Pulumi's plugin for dynamic providers, started before it is asked for.

It is the SDK's own plugin with three things added: what resources need is imported already; it ends with its worker,
whose pipe is its standard input; and SIGTERM tells what is under way to stop, as the SDK's ``Cancel`` tells nobody. It
has threads for as many resources as an environment may start at once: services wait for each other's health, and with
the SDK's four the fifth would never be asked.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from concurrent import futures
from importlib import import_module
from typing import Any

THREADS = 32
PRELOADED = ("programs.local.environment", "psycopg")


class _Pool(futures.ThreadPoolExecutor):
    """The SDK asks for four threads by name."""

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        super().__init__(max(THREADS, max_workers or 0), **options)


def _end_with_the_worker() -> None:
    while os.read(0, 64):
        pass
    os._exit(0)


def main() -> None:
    from programs.local.waiting import CANCELLED

    for name in PRELOADED:
        import_module(name)
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: CANCELLED.set())
    futures.ThreadPoolExecutor = _Pool  # type: ignore[misc, assignment]
    sys.argv = ["pulumi.dynamic"]
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
