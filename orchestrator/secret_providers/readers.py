"""How Eph reads from providers: local ones directly, remote ones from a cache that is refreshed in the background.

A remote provider that doesn't respond must not stall what needs a value, nor take one away: the last value stays valid
until the provider answers again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.core.util.time_windows import TimeWindow
from orchestrator.secret_providers import registry, wording
from orchestrator.secret_providers.port import SecretProvider, SecretProviderUnavailable, UnreadableSecret

REFRESH_INTERVAL = timedelta(minutes=1)
RETRY_INTERVAL = timedelta(seconds=15)

Clock = Callable[[], datetime]
RunInBackground = Callable[[Callable[[], None]], None]


@dataclass(frozen=True, slots=True, repr=False)
class SecretReading:
    """``value`` None: there is none. With a value, ``problem`` says why it may be out of date."""

    value: bytes | None
    problem: str = ""


class SecretReader(Protocol):
    """Never raises and never blocks for long."""

    def describe(self, reference: str) -> str: ...

    def read(self, reference: str) -> SecretReading: ...


class DirectReader:
    """For files and the like."""

    def __init__(self, provider: SecretProvider) -> None:
        self._provider = provider
        self.describe = provider.describe

    def read(self, reference: str) -> SecretReading:
        try:
            return SecretReading(self._provider.read(reference))
        except (UnreadableSecret, SecretProviderUnavailable) as error:
            return SecretReading(None, str(error))


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="secrets", daemon=True).start()


class CachedReader:
    """Only the first read of a reference waits for the provider, and only if the provider responded before."""

    def __init__(
        self, provider: SecretProvider, clock: Clock, run_in_background: RunInBackground = _start_thread
    ) -> None:
        self._provider, self._clock, self._run_in_background = provider, clock, run_in_background
        self.describe = provider.describe
        self._lock = threading.Lock()
        self._readings: dict[str, SecretReading] = {}
        self._outage = ""
        self._fresh: TimeWindow | None = None
        self._is_refreshing = False

    def read(self, reference: str) -> SecretReading:
        if self._begin_refresh():
            self._run_in_background(self._refresh)
        with self._lock:
            if reference not in self._readings:
                self._readings[reference] = self._load(reference, None)
                self._fresh = self._fresh or self._new_window()
            return self._readings[reference]

    def _begin_refresh(self) -> bool:
        with self._lock:
            is_due = bool(self._readings) and not (self._fresh and self._fresh.contains(self._clock()))
            if not is_due or self._is_refreshing:
                return False
            self._is_refreshing = True
            return True

    def _refresh(self) -> None:
        """Without the lock while it waits for the provider."""
        try:
            self._outage = ""
            for reference, last in list(self._readings.items()):
                reading = self._load(reference, last)
                with self._lock:
                    self._readings[reference] = reading
        finally:
            with self._lock:
                self._fresh, self._is_refreshing = self._new_window(), False

    def _load(self, reference: str, last: SecretReading | None) -> SecretReading:
        """After a provider didn't respond, it isn't asked for the other secrets until the next refresh."""
        try:
            if not self._outage:
                return SecretReading(self._provider.read(reference))
        except UnreadableSecret as error:
            return SecretReading(None, str(error))
        except SecretProviderUnavailable as error:
            self._outage = str(error)
        problem = wording.provider_down(self.describe(reference), self._outage)
        return SecretReading(last.value if last else None, problem)

    def _new_window(self) -> TimeWindow:
        return TimeWindow(self._clock(), RETRY_INTERVAL if self._outage else REFRESH_INTERVAL)


def open_reader(name: str, tables: object, clock: Clock) -> SecretReader:
    """A reader for the provider of this name. Raises InvalidValue if its settings are incomplete."""
    provider = registry.open_provider(name, tables)
    return CachedReader(provider, clock) if registry.get(name).is_remote else DirectReader(provider)


def open_readers(names: Iterable[str], tables: object, clock: Clock) -> dict[str, SecretReader]:
    return {name: open_reader(name, tables, clock) for name in sorted(set(names))}
