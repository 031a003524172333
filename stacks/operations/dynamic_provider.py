"""Pulumi's plugin for dynamic providers, forked from a worker before it is needed.

A fork of the worker saves a second interpreter, a tenth of an operation's total cost. gRPC doesn't survive a fork after
its first use, so the fork comes before that, while the worker has one thread.

It is the SDK's own plugin with three additions: the modules that resources need are already imported; it exits with its
worker, whose pipe is its standard input; and SIGTERM tells running code to stop, which the SDK's ``Cancel`` doesn't. It
has as many threads as an environment may start resources at once: services wait for each other's health, and with the
SDK's four threads the fifth would never be called.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import signal
import sys
import threading
import traceback
from concurrent import futures
from dataclasses import dataclass, field
from importlib import import_module
from typing import IO, Any, NoReturn

from programs import registry, steps
from programs.spec import DEFAULT_TARGET
from programs.steps import EventWriter
from stacks.operations.step_recorder import EVENT_PREFIX

THREADS = 32


class _ThreadPool(futures.ThreadPoolExecutor):
    """The SDK requests four threads by name."""

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        super().__init__(max(THREADS, max_workers or 0), **options)


def _exit_with_worker() -> None:
    while os.read(0, 64):
        pass
    os._exit(0)


@dataclass(slots=True)
class ProviderProcess:
    """The plugin as its worker sees it, from any thread. ``stdin`` is its standard input, ``stdout`` provides its
    port."""

    pid: int
    stdin: int
    stdout: IO[bytes]
    _ended: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send_signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._is_alive():
                os.kill(self.pid, number)

    def kill(self) -> None:
        with self._lock:
            if self._is_alive():
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self._ended = True

    def _is_alive(self) -> bool:
        if not self._ended:
            self._ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return not self._ended


def start() -> ProviderProcess:
    description = registry.get(DEFAULT_TARGET).description
    for name in description.preload:
        import_module(name)
    with contextlib.suppress(Exception):  # an operation that needs it tries again, and reports why it fails
        description.warm_up()
    if threading.active_count() > 1:
        raise RuntimeError("a worker forks its provider before it starts a thread")
    sys.stdout.flush()
    (lives, held), (told, tells) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _run_as_plugin(lives, tells)
    os.close(lives)
    os.close(tells)
    return ProviderProcess(pid, held, os.fdopen(told, "rb"))


def _run_as_plugin(stdin: int, stdout: int) -> NoReturn:
    """Nothing of the worker continues in here: neither its pipes, nor its exit handlers."""
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _serve()
    except BaseException:  # noqa: BLE001 - whatever the error, the worker's code must not continue in here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def _serve() -> None:
    from programs.kit.waiting import CANCELLED

    threading.Thread(target=_exit_with_worker, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: CANCELLED.set())
    futures.ThreadPoolExecutor = _ThreadPool  # type: ignore[misc, assignment]  # what gRPC calls
    # The SDK writes its port without flushing: with Python's buffer the worker would wait forever.
    sys.stdout = io.TextIOWrapper(
        os.fdopen(1, "wb", buffering=0), encoding="utf-8", errors="replace", write_through=True
    )
    steps.listen(EventWriter(sys.stdout.write, EVENT_PREFIX))
    sys.argv = ["pulumi.dynamic"]
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
