"""Leader election among replicas that serve the same stacks (O2): never two leaders, and soon another if one dies.

A row of the ledger's database names the holder, an epoch (incremented for each new holder) and a beat (incremented with
each renewal). No wall clock is read, not even the database's, so clock jumps don't matter:

- The holder leads until ``lease - margin`` seconds after it *sent* its last successful renewal, by its own clock.

- A candidate takes the row once it has *seen* it unchanged for ``lease`` seconds, by its own clock, and only if it is
still unchanged in that same statement. What it saw was committed after the holder sent it, so the holder stopped
leading ``margin`` earlier. An error in between restarts the observation.

So a holder that is cut off stops by itself, and one that was paused (SIGSTOP, a suspended machine) finds its lease
expired when it resumes: the clock continues while the machine sleeps. A holder that stops cleanly releases the row, and
another takes it immediately. Why a row and not an advisory lock: docs/decisions/0011-a-lease-is-a-row.md.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from orchestrator.ledger.lease_store import LeaseRow, LeaseStore, LeaseUnavailable, SqlLeaseStore
from stacks.process_identity import boot_clock as running_clock

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
OnChange = Callable[[bool], None]


class Lease(Protocol):
    """Checked before anything starts; ``run`` renews it as long as this replica may lead."""

    def subscribe(self, on_change: OnChange) -> None:
        """Calls it in the event loop when this replica starts or stops leading. ``leads`` is correct without it."""

    def leads(self) -> bool:
        """No I/O, from any thread. True only while it is certain that no other replica leads."""

    @property
    def until(self) -> float:
        """When ``leads`` ends unless renewed, by ``boot_clock``; for processes started by this one."""

    @property
    def epoch(self) -> int:
        """Increases with each change of the leader; 0 before this replica has ever led."""

    @property
    def leader(self) -> str:
        """The leader's last known address; empty if it is this replica or unknown."""

    async def confirm(self) -> bool:
        """Queries the database now and returns ``leads`` afterwards."""

    async def run(self) -> None:
        """Runs until cancelled, then releases the lease: cancel it after everything started here has ended."""


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds. ``lease_seconds`` and ``margin_seconds`` must be the same for all replicas."""

    lease_seconds: float = 9.0
    margin_seconds: float = 1.5
    renew_seconds: float = 2.0
    poll_seconds: float = 1.0

    @property
    def valid_seconds(self) -> float:
        return self.lease_seconds - self.margin_seconds


class NoLease:
    """A single replica: it always leads, and no database outage can stop it."""

    def subscribe(self, on_change: OnChange) -> None:
        """It never changes."""

    def leads(self) -> bool:
        return True

    @property
    def until(self) -> float:
        return float("inf")

    @property
    def epoch(self) -> int:
        return 1

    @property
    def leader(self) -> str:
        return ""

    async def confirm(self) -> bool:
        return True

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class _HeldLease:
    epoch: int
    until: float


class PostgresLease:
    """``url`` is the ledger's. ``name`` is what is led: the server's name, the same for all its replicas. ``address``
    is where the others reach this one."""

    def __init__(
        self,
        url: str,
        name: str,
        address: str = "",
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = running_clock,
        store: LeaseStore | None = None,
    ) -> None:
        self._listeners: list[OnChange] = []
        self._store = store or SqlLeaseStore(url, name, address)
        self._timing = timing or Timing()
        self._clock = clock
        self._holder_id = uuid.uuid4().hex
        self._held: _HeldLease | None = None
        self._epoch = 0
        self._leader = ""
        self._observed: tuple[LeaseRow, float] | None = None
        self._last_notified = False
        self._timer: asyncio.TimerHandle | None = None
        self._unavailable = False
        self._turn_lock = asyncio.Lock()
        # Its own thread, because the shared ones may all be waiting for a Git host.
        self._thread = ThreadPoolExecutor(1, "lease")

    def subscribe(self, on_change: OnChange) -> None:
        self._listeners.append(on_change)

    def leads(self) -> bool:
        return self._clock() < self.until

    @property
    def until(self) -> float:
        held = self._held  # replaced as a whole, so other threads never see half of it
        return held.until if held else float("-inf")

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def leader(self) -> str:
        return "" if self.leads() else self._leader

    async def confirm(self) -> bool:
        if self.leads():
            await self.tick()
        return self.leads()

    async def run(self) -> None:
        try:
            while True:
                await self.tick()
                await self._wait()
        finally:
            await self._release()

    async def tick(self) -> None:
        """One exchange with the database: renews, or watches and takes. Never raises because of the database."""
        async with self._turn_lock:
            try:
                await (self._renew(self._held) if self._held else self._try_take())
                self._unavailable = False
            except LeaseUnavailable as error:
                self._on_unavailable(error)
        self._notify()

    # --- holder

    async def _renew(self, held: _HeldLease) -> None:
        sent = self._clock()
        if await self._call_store(self._store.renew, self._holder_id, held.epoch):
            self._held = _HeldLease(held.epoch, sent + self._timing.valid_seconds)
            return
        self._held = None
        log.warning("Another replica took over the leader's lease of epoch %d.", held.epoch)

    async def _release(self) -> None:
        """Afterwards nothing is led here; an exchange still in flight is completed first."""
        self._held = None
        self._notify()
        try:
            await self._call_store(self._store.release, self._holder_id)
        except LeaseUnavailable as error:
            self._on_unavailable(error)
        finally:
            self._thread.submit(self._store.close)
            self._thread.shutdown(wait=False)

    # --- candidate

    async def _try_take(self) -> None:
        row = await self._call_store(self._store.read)
        self._leader = "" if row.is_released else row.address
        now = self._clock()
        if self._observed is None or self._observed[0] != row:
            self._observed = (row, now)
        if row.is_released or now - self._observed[1] >= self._timing.lease_seconds:
            await self._take(row)

    async def _take(self, row: LeaseRow) -> None:
        sent = self._clock()
        epoch = await self._call_store(self._store.take, row, self._holder_id)
        self._observed = None
        if epoch:
            self._epoch = epoch
            self._held = _HeldLease(epoch, sent + self._timing.valid_seconds)
            log.info("This replica is the leader now, epoch %d.", epoch)

    # --- both

    async def _call_store(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: method(*args, **kwargs))

    async def _wait(self) -> None:
        """Until the next exchange, or until the row may be taken."""
        now = self._clock()
        pause = self._timing.renew_seconds if self._held else self._timing.poll_seconds
        if not self._held and self._observed:
            pause = min(pause, max(self._observed[1] + self._timing.lease_seconds - now, 0.05))
        await asyncio.sleep(pause)

    def _notify(self) -> None:
        """Also called when the lease expires, if no response arrives before that."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._last_notified != (leads := self.leads()):
            self._last_notified = leads
            for on_change in self._listeners:
                try:
                    on_change(leads)
                except Exception:  # an error in a listener must not end the lease
                    log.exception("a listener failed when the leader changed")
        if leads:
            left = max(self.until - self._clock(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(left + 0.001, self._notify)

    def _on_unavailable(self, error: LeaseUnavailable) -> None:
        self._observed = None
        if not self._unavailable:
            self._unavailable = True
            log.warning("%s Without the lease this replica starts nothing new.", error)
