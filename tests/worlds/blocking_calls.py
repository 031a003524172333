"""What a world's Eph gives to threads: done at once in the loop's own thread, and answered in a later turn of the loop.

Everything outside is in memory, so threads would only cost time: handing over took more of it than the calls. The
order of events is the same in each run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class BlockingCalls(ThreadPoolExecutor):
    """``in_threads``: as in ephd, for stories in which a call doesn't return until something else has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.in_threads = False

    def submit(
        self, fn: Callable[Arguments, Answer], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Answer]:
        if self.in_threads:
            return super().submit(fn, *args, **kwargs)
        answer: Future[Answer] = Future()
        try:
            answer.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the answer
            answer.set_exception(error)
        return answer
