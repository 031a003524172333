"""Who leads, when several replicas serve the same stacks (O2): never two, and soon another when one dies.

A row of the ledger's database names the holder, an epoch (one more with each new holder) and a beat (one more with
each renewal). No wall clock is asked, not even the database's, so no jump of one matters:

- The holder leads until ``lease - margin`` seconds after it *sent* its last renewal that succeeded, by its own clock.
- A candidate takes the row when it has *seen* it unchanged for ``lease`` seconds, by its own clock, and only if it is
  still unchanged in that very statement. What it saw was committed after the holder sent it, so the holder stopped
  leading ``margin`` earlier. An error in between starts the watching anew.

So whoever is cut off stops by itself, and who was stopped (SIGSTOP, a suspended machine) finds its time over when it
wakes: the clock is the one that runs on while the machine sleeps. A holder that ends well gives the row back, and
another takes it at once. Why a row and not an advisory lock: docs/decisions/0011-a-lease-is-a-row.md.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from orchestrator.ledger.lease_rows import LeaseUnavailable, Row, Rows, SqlRows
from stacks.processes import running_clock as running_clock

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Changed = Callable[[bool], None]


class Lease(Protocol):
    """Asked before anything is started; kept by ``run`` for as long as this replica may lead."""

    changed: Changed
    """Told in the event loop when this replica begins or ceases to lead. ``leads`` is right without it."""

    def leads(self) -> bool:
        """No I/O, from any thread: true only while it is certain that nobody else leads."""

    @property
    def until(self) -> float:
        """When ``leads`` ends unless it is renewed, by ``running_clock``; for processes started by this one."""

    @property
    def epoch(self) -> int:
        """Grows with each change of the leader; 0 before this replica ever led."""

    @property
    def leader(self) -> str:
        """Where the leader is reached, as last heard; empty when it is this replica, or nobody knows."""

    async def confirm(self) -> bool:
        """Asks the database now, and says ``leads`` after its answer."""

    async def run(self) -> None:
        """Until cancelled, and then gives the lease back: cancel it after everything started here has ended."""


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds. ``lease`` and ``margin`` must be the same for all replicas."""

    lease: float = 9.0
    margin: float = 1.5
    renew: float = 2.0
    poll: float = 1.0

    @property
    def valid(self) -> float:
        return self.lease - self.margin


class NoLease:
    """One replica alone: it always leads, and no database that is down can stop it."""

    def __init__(self) -> None:
        self.changed: Changed = _nothing

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
        self.changed(True)
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class _Held:
    epoch: int
    until: float


class PostgresLease:
    """``url`` is the ledger's; ``name`` is what is led: the server's name, the same for all its replicas. ``address``
    is where this one is reached by the others."""

    def __init__(
        self,
        url: str,
        name: str,
        address: str = "",
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = running_clock,
        rows: Rows | None = None,
    ) -> None:
        self.changed: Changed = _nothing
        self._rows = rows or SqlRows(url, name, address)
        self._timing = timing or Timing()
        self._clock = clock
        self._me = uuid.uuid4().hex
        self._held: _Held | None = None
        self._epoch = 0
        self._leader = ""
        self._seen: tuple[Row, float] | None = None
        self._told = False
        self._timer: asyncio.TimerHandle | None = None
        self._troubled = False
        self._one = asyncio.Lock()
        # A thread of its own: the shared ones may all be waiting for a Git host.
        self._thread = ThreadPoolExecutor(1, "lease")

    def leads(self) -> bool:
        return self._clock() < self.until

    @property
    def until(self) -> float:
        held = self._held  # replaced whole, so other threads never see half of it
        return held.until if held else float("-inf")

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def leader(self) -> str:
        return "" if self.leads() else self._leader

    async def confirm(self) -> bool:
        if self.leads():
            await self.turn()
        return self.leads()

    async def run(self) -> None:
        try:
            while True:
                await self.turn()
                await self._rest()
        finally:
            await self._give_back()

    async def turn(self) -> None:
        """One exchange with the database: renew, or watch and take. Never raises for the database's sake."""
        async with self._one:
            try:
                await (self._renew(self._held) if self._held else self._contend())
                self._troubled = False
            except LeaseUnavailable as error:
                self._trouble(error)
        self._tell()

    # --- holder

    async def _renew(self, held: _Held) -> None:
        sent = self._clock()
        if await self._ask(self._rows.renew, self._me, held.epoch):
            self._held = _Held(held.epoch, sent + self._timing.valid)
            return
        self._held = None
        log.warning("The lease of the leader, epoch %d, was taken by another replica.", held.epoch)

    async def _give_back(self) -> None:
        """After this nothing here is led; an exchange that was still on its way is answered first."""
        self._held = None
        self._tell()
        try:
            await self._ask(self._rows.release, self._me)
        except LeaseUnavailable as error:
            self._trouble(error)
        finally:
            self._thread.submit(self._rows.close)
            self._thread.shutdown(wait=False)

    # --- candidate

    async def _contend(self) -> None:
        row = await self._ask(self._rows.read)
        self._leader = "" if row.free else row.address
        now = self._clock()
        if self._seen is None or self._seen[0] != row:
            self._seen = (row, now)
        if row.free or now - self._seen[1] >= self._timing.lease:
            await self._take(row)

    async def _take(self, row: Row) -> None:
        sent = self._clock()
        epoch = await self._ask(self._rows.take, row, self._me)
        self._seen = None
        if epoch:
            self._epoch = epoch
            self._held = _Held(epoch, sent + self._timing.valid)
            log.info("This replica leads now, epoch %d.", epoch)

    # --- both

    async def _ask(self, verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: verb(*args, **kwargs))

    async def _rest(self) -> None:
        """Until the next exchange, or the first moment at which the row may be taken."""
        now = self._clock()
        pause = self._timing.renew if self._held else self._timing.poll
        if not self._held and self._seen:
            pause = min(pause, max(self._seen[1] + self._timing.lease - now, 0.05))
        await asyncio.sleep(pause)

    def _tell(self) -> None:
        """Also at the moment that the lease runs out, should no answer come before."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._told != (leads := self.leads()):
            self._told = leads
            try:
                self.changed(leads)
            except Exception:  # the listener's trouble must not end the lease
                log.exception("telling who leads failed")
        if leads:
            left = max(self.until - self._clock(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(left + 0.001, self._tell)

    def _trouble(self, error: LeaseUnavailable) -> None:
        self._seen = None
        if not self._troubled:
            self._troubled = True
            log.warning("%s Without it this replica starts nothing new.", error)


def _nothing(_leads: bool) -> None:
    """Nobody listens."""
