"""Pulumi's plugin for dynamic providers, forked from a worker before it is asked for.

A fork of the worker costs no second interpreter, which was a tenth of all that an operation costs. gRPC does not
survive a fork once it was used; so this comes before its first use, while the worker has one thread.

It is the SDK's own plugin with three things added: what resources need is imported already; it ends with its worker,
whose pipe is its standard input; and SIGTERM tells what is under way to stop, as the SDK's ``Cancel`` tells nobody. It
has threads for as many resources as an environment may start at once: services wait for each other's health, and with
the SDK's four the fifth would never be asked.
"""

from __future__ import annotations

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

from programs import registry
from programs.spec import DEFAULT_TARGET

THREADS = 32


class _ThreadPool(futures.ThreadPoolExecutor):
    """The SDK asks for four threads by name."""

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        super().__init__(max(THREADS, max_workers or 0), **options)


def _exit_with_worker() -> None:
    while os.read(0, 64):
        pass
    os._exit(0)


@dataclass(slots=True)
class ProviderProcess:
    """The plugin as its worker sees it, from any thread. ``stdin`` is its standard input, ``stdout`` gives its port."""

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
    for name in registry.get(DEFAULT_TARGET).description.preload:
        import_module(name)
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
    """Nothing of the worker goes on in here: neither its pipes, nor what it would do at its end."""
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _serve()
    except BaseException:  # noqa: BLE001 - whatever it was, the worker must not go on in here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def _serve() -> None:
    from programs.kit.waiting import CANCELLED

    threading.Thread(target=_exit_with_worker, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: CANCELLED.set())
    futures.ThreadPoolExecutor = _ThreadPool  # type: ignore[misc, assignment]  # what gRPC calls
    # The SDK writes its port and does not flush: with Python's own buffer the worker would wait for it for ever.
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", buffering=0), write_through=True)
    sys.argv = ["pulumi.dynamic"]
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
