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

from orchestrator.app.addresses import StartTrouble, listening
from orchestrator.app.desk import LocalDesk
from orchestrator.app.probe import GatewayProbe
from orchestrator.app.relay import App, Relay
from orchestrator.app.sharing import sharing
from orchestrator.app.wiring import Wiring, version
from orchestrator.config import keys
from orchestrator.config.settings import Settings
from orchestrator.ledger import kinds
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.api.app import create_app
from stacks.places import Places
from stacks.toolchain import Toolchain

__all__ = ["Broken", "Service", "running", "version"]

log = logging.getLogger("eph")

DOOR_EVERY = 5.0
TARGETS_EVERY = 5.0
THREADS = 32
"""For what blocks: the Git host, targets, the event log. A slow target must not keep the others waiting."""


class Broken(RuntimeError):
    """A part that should run as long as ephd does has ended; the message names it."""


@dataclass(slots=True)
class Service:
    """A running ephd. ``token_file`` lets this machine's ``eph`` in as admin."""

    settings: Settings
    loop: Loop
    desk: LocalDesk
    wakeups: Wakeups
    places: Places
    token_file: Path
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def broken(self) -> None:
        """Raises when a part has ended that should not; never returns while all is well."""
        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in self.tasks:
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise Broken(f"the part {task.get_name()!r} of ephd ended: {error or 'without an error'}") from error


@contextlib.asynccontextmanager
async def running(settings: Settings, tools: Toolchain, stop_gateway: bool = False) -> AsyncIterator[Service]:
    """A whole ephd for as long as the block lasts."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "eph"))
    async with contextlib.AsyncExitStack() as ends:
        sock = ends.enter_context(contextlib.closing(listening("listen", settings.listen)))
        ends.enter_context(_only_one(settings.home))
        ends.enter_context(sharing(settings))
        wiring = Wiring(settings, tools)
        ends.callback(wiring.forge.close)
        ends.callback(wiring.ledger.close)
        alive, start = await _parts(wiring, sock, ends, stop_gateway)
        await start()
        yield alive


async def _parts(
    wiring: Wiring, sock: socket.socket, ends: contextlib.AsyncExitStack, stop_gateway: bool
) -> tuple[Service, _Start]:
    """Everything joined, the API already listening; each part's end is registered before the part can run."""
    settings = wiring.settings
    probe = GatewayProbe(settings.way_in, partial(keys.preview_token, settings.keys_dir))
    loop, executor, monitor = wiring.loop(probe)
    desk = wiring.desk(loop, executor)
    alive = Service(settings, loop, desk, wiring.wakeups, wiring.places, settings.keys_dir / "api.token")
    if stop_gateway:
        ends.push_async_callback(asyncio.to_thread, wiring.door.stop)
    ends.push_async_callback(probe.close)
    relay = Relay(create_app(desk, wiring.api()), wiring.leading)
    ends.push_async_callback(relay.close)
    alive.tasks.append(await _serve(_server(relay if wiring.leading.replicas else relay.app), sock, ends))
    start = _Start(wiring, alive, ends)
    ends.push_async_callback(start.give_back)
    ends.push_async_callback(monitor.close)
    ends.push_async_callback(wiring.tester.close)
    ends.push_async_callback(executor.close)
    ends.push_async_callback(wiring.pool.close)
    return alive, start


@dataclass(slots=True)
class _Start:
    """What takes time, in order; the API answers meanwhile."""

    wiring: Wiring
    alive: Service
    ends: contextlib.AsyncExitStack
    lease: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        wiring = self.wiring
        await wiring.prepare()
        await wiring.pool.open()
        await wiring.door.ensure()
        self.ends.callback(wiring.journal.tell, kinds.SERVICE_STOPPED, "asked to stop")
        self.lease = asyncio.create_task(wiring.lease.run(), name="lease")
        self.alive.tasks.append(self.lease)
        for name, work in (
            ("door", wiring.door.keep(DOOR_EVERY)),
            ("targets", wiring.keep_targets(TARGETS_EVERY)),
            ("machine", wiring.machine.run()),
            ("visits", wiring.visits.watch()),
            ("herald", wiring.herald.run()),
            ("commands", wiring.commands(self.alive.loop, self.alive.desk).run()),
            ("loop", self.alive.loop.run()),
        ):
            self.alive.tasks.append(self._begin(name, work))
        wiring.journal.tell(kinds.SERVICE_STARTED, f"eph {version()}")

    async def give_back(self) -> None:
        """Registered before all that may be started under it, so that it is the last to end."""
        if self.lease is not None:
            await _cancel(self.lease)

    def _begin(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.ends.push_async_callback(_cancel, task)
        return task


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Two of them on one home would end each other's operations."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "ephd.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise StartTrouble(
                f"another ephd (process {owner}) runs on {home}; end it, or give this one a home of its own (EPH_HOME)"
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


def _server(app: App) -> _Server:
    # Not uvloop: it breaks Pulumi's own event loop (pulumi #17588), and one loop everywhere is one less surprise.
    config = uvicorn.Config(app, loop="asyncio", log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    return _Server(config)


async def _serve(server: _Server, sock: socket.socket, ends: contextlib.AsyncExitStack) -> asyncio.Task[None]:
    task = asyncio.create_task(server.serve(sockets=[sock]), name="api")

    async def end() -> None:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)

    ends.push_async_callback(end)
    while not server.started:
        if task.done():
            raise StartTrouble(f"the API ended before it began: {task.exception() or 'without a word'}")
        await asyncio.sleep(0.01)
    return task
