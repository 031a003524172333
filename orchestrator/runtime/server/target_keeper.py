"""Keeps running what a target shares among all environments, such as a database server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.operations.journal import Journal
from programs.registry import Target, TimesLogs


class TargetKeeper:
    """``secret_problems`` gives a sentence for each secret that can't be read."""

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, str]],
        target: Callable[[str], Target],
        journal: Journal,
        secret_problems: Callable[[], Iterable[str]],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._target = target
        self._journal = journal
        self._secret_problems = secret_problems
        self._clock = clock

    def ensure(self) -> None:
        """Blocking. Raises if a target doesn't come up."""
        for name, settings in self._settings.items():
            self._target(name).ensure(settings)

    async def run(self, interval: float) -> None:
        """Until cancelled. Not part of the loop, which must not wait for a target that hangs."""
        while True:
            await asyncio.sleep(interval)
            # A thread can't be cancelled, and must not start anything while the caller shuts the target down.
            work = asyncio.create_task(asyncio.to_thread(self._restart_missing))
            try:
                await asyncio.shield(work)
            finally:
                await asyncio.gather(work, return_exceptions=True)

    def _restart_missing(self) -> None:
        for problem in self._secret_problems():
            self._journal.record_problem(problem)
        for name, settings in self._settings.items():
            try:
                target = self._target(name)
                target.ensure(settings)
                if isinstance(target, TimesLogs):
                    target.record_log_times(settings, self._clock())
            except Exception as error:  # noqa: BLE001 - recorded, and tried again
                self._journal.record_problem(wording.problems.target_not_started(name, error))
