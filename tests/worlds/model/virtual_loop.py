"""An event loop whose time jumps: nobody sleeps, and the same history always takes the same turns.

What the program gives to a thread is done at once, and its answer comes a moment later, so that whatever was read is a
little old by the time it is used, as in life. A function marked ``late`` works at the end of that moment
instead: what it changes, it changes when others may be at work.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

THREAD_SECONDS = 0.01
Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")
Function = TypeVar("Function", bound=Callable[..., object])


def late(function: Function) -> Function:
    """Marks a function that does its work when its thread ends, not when it starts."""
    function.__dict__["late"] = True
    return function


class _JumpingSelector(selectors.SelectSelector):
    """Waiting for input is where time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nobody for the clock")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)
        self.thread_seconds = THREAD_SECONDS

    def time(self) -> float:
        return self._jumping_selector.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Answer], *args: *Arguments
    ) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = self.create_future()
        inner = getattr(func, "args", ())
        if inner and getattr(inner[0], "late", False):
            self.call_later(self.thread_seconds, lambda: _settle(answer, *_outcome(func, args)))
        else:
            self.call_later(self.thread_seconds, _settle, answer, *_outcome(func, args))
        return answer

    def _write_to_self(self) -> None:
        """No other thread ever wakes this one."""


def _outcome(func: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return func(*args), None
    except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the answer
        return None, error


def _settle(answer: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if answer.cancelled():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(value)
