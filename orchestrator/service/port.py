"""What people and programs may ask of Eph. Surfaces (API, dashboard, metrics) call it; ``fake.py`` implements it in
memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.core.orphans.orphan_audit import AuditResult
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.port import Event
from programs.runtime_info import LogRequest, RuntimeInfo


class EnvironmentNotFound(LookupError):
    """Neither wanted nor existing under that name."""


class RequestRefused(Exception):
    """The request is understood and not carried out; the message says why and what to do."""


class TemporarilyUnavailable(Exception):
    """What is asked for cannot be had just now, through no fault of the request; the message says what is down."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The service itself: what ``/api/v1/status`` and ``eph list`` put under the table."""

    version: str
    started: datetime
    last_cycle: datetime | None
    cycle_seconds: float
    complete: bool
    notes: tuple[str, ...]
    """Sentences: repositories that could not be read, foreign stacks left alone, a guard that holds."""
    running: int
    queued: int
    forge: ForgeUsage | None = None
    leads: bool = True
    """Of several replicas, the one that acts."""
    term: int = 1
    """Increases by one with each change of the leader."""
    leader: str = ""
    """The leader's address, if another replica leads."""


@dataclass(frozen=True, slots=True)
class WebhookTestResult:
    """What came of a webhook that we sent to ourselves. ``hook_urls``, ``deliveries`` and ``note`` are what the Git
    host says of its own."""

    url: str
    status: int
    milliseconds: float
    arrived: bool
    message: str
    hook_urls: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ForgeUsage:
    """What the Git host cost so far; ``remaining`` and ``limit`` -1: it never told."""

    counted: int
    free: int
    remaining: int
    limit: int
    blocked_for: float


class EnvironmentService(Protocol):
    """``name``: an environment (shop-gentle-stream-42), its stack (eph-shop-9ix/pr-42), ``owner/repo#42``."""

    def status(self) -> ServiceStatus: ...

    def environments(self) -> list[EnvironmentView]: ...

    def environment(self, name: str) -> EnvironmentView:
        """Raises NoSuchEnvironment."""

    async def logs(self, name: str, query: LogRequest) -> list[str]:
        """The last lines of the environment's services. Refused for a service that it does not have; Unavailable when
        its target does not answer."""

    async def operation_log(self, name: str, lines: int) -> list[str]:
        """The last lines of its last operation."""

    async def runtime_info(self, name: str) -> RuntimeInfo:
        """Its pods or processes, and what the target says happened to them. Unavailable: it does not answer."""

    async def suite_logs(self, name: str, suite: str, lines: int) -> list[str]:
        """The last lines of a suite's last run."""

    def follow(self, name: str, service: str | None) -> AsyncIterator[str]:
        """What its services print, as it comes; ends when the environment is gone."""

    def follow_operation(self, name: str) -> AsyncIterator[str]: ...

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        """``name`` empty: of all environments."""

    async def up(self, name: str, by: str) -> EnvironmentView:
        """Tries again now (a stalled or failed one), or wakes the loop for it."""

    async def down(self, name: str, by: str) -> EnvironmentView:
        """Takes the trigger label off the pull request and destroys."""

    async def extend(self, name: str, seconds: int, by: str) -> EnvironmentView: ...

    async def keep(self, name: str, keep: bool, by: str) -> EnvironmentView:
        """Stops its clock, or lets it run again."""

    async def sleep(self, name: str, by: str) -> EnvironmentView:
        """Stops what runs of it and keeps all that it holds."""

    async def wake_up(self, name: str, by: str) -> EnvironmentView:
        """Starts it again; one that is awake stays so for a while."""

    async def approve_commit(
        self, name: str, commit: str, by: str, requested_at: datetime | None = None
    ) -> EnvironmentView:
        """Lets that very commit (all forty digits) of a fork run. Refused when it is not the newest, or when the newest
        was not yet seen when the person ``requested_at`` so: they may have meant the one before."""

    async def audit(self) -> AuditResult:
        """Compares what there really is with stacks and pull requests; changes nothing."""

    async def sweep(self, dry_run: bool, by: str) -> list[str]:
        """Looks for leftovers now and removes them; gives a sentence for each."""

    async def approve_plan(self, plan: str, by: str) -> str:
        """Lets one very plan that a guard holds go through."""

    def trigger_cycle(self, reason: str) -> None: ...
