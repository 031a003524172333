"""Looks up names for one environment, a few at a time and in threads of their own.

A lookup keeps its thread until the name server answers, even if nobody waits for it any more. In the event loop's
default threads, one environment's slow names would delay everything else that the relay does there.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

SECONDS = 5.0
AT_ONCE = 4
"""Of one environment."""
_THREADS = ThreadPoolExecutor(64, thread_name_prefix="lookup")
Resolve = Callable[..., Sequence[tuple[Any, ...]]]


class Lookups:
    def __init__(self, resolve: Resolve = socket.getaddrinfo, executor: Executor = _THREADS) -> None:
        self._resolve = resolve
        self._executor = executor
        self._free = asyncio.Semaphore(AT_ONCE)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Raises ``socket.gaierror`` if the name doesn't exist, TimeoutError if that isn't known in time."""
        async with asyncio.timeout(SECONDS):
            await self._free.acquire()
            try:
                question = functools.partial(self._resolve, host, port, type=socket.SOCK_STREAM)
                lookup = asyncio.get_running_loop().run_in_executor(self._executor, question)
            except BaseException:
                self._free.release()
                raise
            lookup.add_done_callback(lambda _: self._free.release())
            found = await asyncio.shield(lookup)
        return [str(item[4][0]).partition("%")[0] for item in found]
