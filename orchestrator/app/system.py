"""ephd alive: started in an order in which nothing waits for what comes later, and ended in the reverse one.

Start: the address and the home (one ephd each), the API, then what takes time: folders, what targets share, what an
earlier life left running, the gateway; at last the loop. So ``/healthz`` answers at once and ``/readyz`` after the
first cycle. Stop: the loop, running operations (interrupted, their state saved), the API, and the gateway only when
asked to, because previews go on while ephd restarts. A start that fails half-way ends what it had started. The lease
of a leader goes last of all that works, so that nobody else leads while anything here still ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvicorn

from orchestrator.app.addresses import StartupError, open_listener
from orchestrator.app.composition import Composition, version
from orchestrator.app.shared_folder import lock_shared_folder
from orchestrator.config import server_keys
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.gateway.health_probe import GatewayProbe
from orchestrator.ledger import event_kinds
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.leader_proxy import App, LeaderProxy
from stacks.paths import StackPaths
from stacks.toolchain.pulumi_cli import Toolchain

__all__ = ["ComponentFailed", "RunningSystem", "running", "version"]

log = logging.getLogger("eph")

GATEWAY_CHECK_INTERVAL = 5.0
TARGET_CHECK_INTERVAL = 5.0
WORKER_THREADS = 32
"""For what blocks: the Git host, targets, the event log. A slow target must not keep the others waiting."""


class ComponentFailed(RuntimeError):
    """A part that should run as long as ephd does has ended; the message names it."""


@dataclass(slots=True)
class RunningSystem:
    """A running ephd. ``token_file`` lets this machine's ``eph`` in as admin."""

    settings: ServerSettings
    loop: Loop
    control_plane: LocalControlPlane
    wakeups: Wakeups
    paths: StackPaths
    token_file: Path
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def wait_for_failure(self) -> None:
        """Raises when a part has ended that should not; never returns while all is well."""
        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in self.tasks:
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise ComponentFailed(
                    f"the task {task.get_name()!r} of ephd stopped: {error or 'without an error'}"
                ) from error


@contextlib.asynccontextmanager
async def running(
    settings: ServerSettings, tools: Toolchain, stop_gateway: bool = False
) -> AsyncIterator[RunningSystem]:
    """A whole ephd for as long as the block lasts."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WORKER_THREADS, "eph"))
    async with contextlib.AsyncExitStack() as ends:
        sock = ends.enter_context(contextlib.closing(open_listener("listen", settings.listen)))
        ends.enter_context(_home_lock(settings.home))
        ends.enter_context(lock_shared_folder(settings))
        wiring = Composition(settings, tools)
        ends.callback(wiring.forge.close)
        ends.callback(wiring.ledger.close)
        alive, start = await _assemble(wiring, sock, ends, stop_gateway)
        await start()
        yield alive


async def _assemble(
    composition: Composition, sock: socket.socket, exit_stack: contextlib.AsyncExitStack, stop_gateway: bool
) -> tuple[RunningSystem, _Startup]:
    """Everything joined, the API already listening; each part's end is registered before the part can run."""
    settings = composition.settings
    probe = GatewayProbe(settings.probe_url, partial(server_keys.preview_token, settings.keys_dir))
    loop, executor, monitor = composition.loop(probe)
    desk = composition.control_plane(loop, executor)
    alive = RunningSystem(settings, loop, desk, composition.wakeups, composition.paths, settings.keys_dir / "api.token")
    if stop_gateway:
        exit_stack.push_async_callback(asyncio.to_thread, composition.gateway.stop)
    exit_stack.push_async_callback(probe.close)
    relay = LeaderProxy(create_app(desk, composition.api_settings()), composition.leadership)
    exit_stack.push_async_callback(relay.close)
    alive.tasks.append(
        await _serve(_api_server(relay if composition.leadership.has_replicas else relay.app), sock, exit_stack)
    )
    start = _Startup(composition, alive, exit_stack)
    exit_stack.push_async_callback(start.release_lease)
    exit_stack.push_async_callback(monitor.close)
    exit_stack.push_async_callback(composition.suite_runner.close)
    exit_stack.push_async_callback(executor.close)
    exit_stack.push_async_callback(composition.pool.close)
    return alive, start


@dataclass(slots=True)
class _Startup:
    """What takes time, in order; the API answers meanwhile."""

    composition: Composition
    system: RunningSystem
    exit_stack: contextlib.AsyncExitStack
    lease: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        wiring = self.composition
        await wiring.prepare()
        await wiring.pool.open()
        await wiring.gateway.ensure()
        self.exit_stack.callback(wiring.journal.record, event_kinds.SERVICE_STOPPED, "stop requested")
        self.lease = asyncio.create_task(wiring.lease.run(), name="lease")
        self.system.tasks.append(self.lease)
        for name, work in (
            ("door", wiring.gateway.keep_running(GATEWAY_CHECK_INTERVAL)),
            ("targets", wiring.keep_targets_running(TARGET_CHECK_INTERVAL)),
            ("machine", wiring.memory_monitor.run()),
            ("visits", wiring.traffic.watch()),
            ("herald", wiring.notifier.run()),
            ("commands", wiring.commands(self.system.loop, self.system.control_plane).run()),
            ("loop", self.system.loop.run()),
        ):
            self.system.tasks.append(self._start_task(name, work))
        wiring.journal.record(event_kinds.SERVICE_STARTED, f"eph {version()}")

    async def release_lease(self) -> None:
        """Registered before all that may be started under it, so that it is the last to end."""
        if self.lease is not None:
            await _cancel(self.lease)

    def _start_task(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.exit_stack.push_async_callback(_cancel, task)
        return task


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def _home_lock(home: Path) -> Iterator[None]:
    """Two of them on one home would end each other's operations."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "ephd.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise StartupError(
                f"another ephd (process {owner}) uses {home}; stop it, or set another home for this one (EPH_HOME)"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class _Server(uvicorn.Server):
    """Signals are ephd's, not the web server's."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # as uvicorn's has none
        yield


def _api_server(app: App) -> _Server:
    # Not uvloop: it breaks Pulumi's own event loop (pulumi #17588), and one loop everywhere is one less surprise.
    config = uvicorn.Config(app, loop="asyncio", log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    return _Server(config)


async def _serve(server: _Server, sock: socket.socket, exit_stack: contextlib.AsyncExitStack) -> asyncio.Task[None]:
    task = asyncio.create_task(server.serve(sockets=[sock]), name="api")

    async def end() -> None:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)

    exit_stack.push_async_callback(end)
    while not server.started:
        if task.done():
            raise StartupError(f"the API stopped during startup: {task.exception() or 'unknown error'}")
        await asyncio.sleep(0.01)
    return task
