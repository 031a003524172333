"""What people and programs can request from Eph. Surfaces (API, dashboard, metrics) call it; ``fake.py`` implements it
in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.cost_reports import CostGrouping, CostReport
from orchestrator.core.orphans.orphan_audit import AuditResult
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.port import Event
from orchestrator.service.deploys.deploy_port import DeploysCommits
from orchestrator.service.exec.exec_port import ExecEvent
from orchestrator.service.output.screenshots import ShowsScreenshots
from programs.costs import PriceList
from programs.exec_requests import ExecRequest, JobRequest, TerminalSize
from programs.runtime_info import LogRequest, RuntimeInfo
from programs.steps import StepRun


class EnvironmentNotFound(LookupError):
    """No environment with that name is requested or exists."""


class DeployNotFound(LookupError):
    """No label deploy with that ID was requested recently, or the server was restarted since."""


class RefusalReason(StrEnum):
    BEING_DESTROYED = "being-destroyed"
    BEING_REPLACED = "being-replaced"
    NOT_CREATED = "not-created"
    SLEEP_UNSUPPORTED = "sleep-unsupported"
    UNKNOWN_LOG = "unknown-log"
    UNKNOWN_SUITE = "unknown-suite"
    FORGE_ERROR = "forge-error"
    NOT_A_FORK = "not-a-fork"
    NOT_NEWEST_COMMIT = "not-newest-commit"
    PLAN_NOT_HELD = "plan-not-held"
    UNKNOWN_REPOSITORY = "unknown-repository"
    UNKNOWN_VERSION = "unknown-version"
    INVALID_LABEL = "invalid-label"
    INVALID_TTL = "invalid-ttl"
    INVALID_RECIPE = "invalid-recipe"
    TOO_MANY_DEPLOYS = "too-many-deploys"
    HOST_TAKEN = "host-taken"
    HAS_FIXED_TTL = "has-fixed-ttl"
    INVALID_UPLOAD = "invalid-upload"
    UPLOAD_TIMEOUT = "upload-timeout"
    TOO_MANY_UPLOADS = "too-many-uploads"
    EXEC_UNAVAILABLE = "exec-unavailable"
    JOB_UNAVAILABLE = "job-unavailable"
    RESTART_UNAVAILABLE = "restart-unavailable"
    INVALID_VARIABLE = "invalid-variable"
    RESET_UNAVAILABLE = "reset-unavailable"
    NO_PULL_REQUEST = "no-pull-request"
    UNKNOWN_PULL_REQUEST = "unknown-pull-request"
    NO_TRIGGER_LABEL = "no-trigger-label"
    INVALID_REPORT = "invalid-report"
    PAUSED = "paused"


class RequestRefused(Exception):
    """The request is valid but can't be executed; the message says why and what to do."""

    def __init__(self, reason: RefusalReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class TemporarilyUnavailable(Exception):
    """The request can't be served at the moment; the message says what is unavailable."""


@dataclass(frozen=True, slots=True)
class PauseStatus:
    """Who paused the server, since when and why. ``at`` is None if the record of the pause can't be read."""

    by: str
    at: datetime | None
    reason: str
    remaining: int
    """Operations and test suites that are still running."""
    drained: bool
    """Nothing runs any more, and nothing starts until the server is resumed."""
    message: str = ""
    """All of it as a sentence."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The state of the service, as in ``/api/v1/status`` and below the table of ``eph list``."""

    version: str
    started: datetime
    last_cycle: datetime | None
    cycle_seconds: float
    complete: bool
    notes: tuple[str, ...]
    """For example: repositories that couldn't be read, ignored stacks, a plan on hold."""
    running: int
    queued: int
    forge: ForgeUsage | None = None
    leads: bool = True
    """Whether this replica is the leader."""
    term: int = 1
    """Increases by one with each change of the leader."""
    leader: str = ""
    """The leader's address, if another replica leads."""
    pause: PauseStatus | None = None
    """None: it isn't paused."""


@dataclass(frozen=True, slots=True)
class WebhookTestResult:
    """The result of a webhook that we sent to ourselves.

    ``hook_urls``, ``deliveries`` and ``note`` describe the Git host's own webhooks.
    """

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
    """Requests to the Git host so far. ``remaining`` and ``limit`` are -1 if unknown."""

    counted: int
    free: int
    remaining: int
    limit: int
    blocked_for: float


@dataclass(frozen=True, slots=True)
class StepHistory:
    """What the builds of one commit did. ``commits``: those whose steps are kept, the newest first; all are the first
    digits."""

    commit: str = ""
    commits: tuple[str, ...] = ()
    steps: tuple[StepRun, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """A variable that a person set for an environment. ``value`` is None for a secret. ``pending``: it isn't recorded
    yet."""

    name: str
    value: str | None
    secret: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class VariableChange:
    set: Mapping[str, VariableValue] = field(default_factory=dict)
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProblemReport:
    """What a person noticed on a page of a preview. ``path``: the page's."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class BuildCache:
    """``repository`` is its name; empty if the server doesn't serve it any more. ``size`` is in bytes."""

    target: str
    repository_id: str
    repository: str
    size: int
    used_at: datetime


@dataclass(frozen=True, slots=True)
class TargetPrices:
    target: str
    prices: PriceList


def every_repository(_: str) -> bool:
    return True


class EnvironmentService(DeploysCommits, ShowsScreenshots, Protocol):
    """``name``: an environment (shop-gentle-stream-42), its stack (eph-shop-9ix/pr-42), ``owner/repo#42``. Whatever
    depends on which environments exist raises TemporarilyUnavailable before the first cycle after a start."""

    def status(self) -> ServiceStatus: ...

    def environments(self) -> list[EnvironmentView]: ...

    def environment(self, name: str) -> EnvironmentView:
        """Raises EnvironmentNotFound."""

    async def logs(self, name: str, query: LogRequest) -> list[str]:
        """The last lines of its services.

        Raises RequestRefused for an unknown service, and TemporarilyUnavailable if the target doesn't respond.
        """

    async def all_logs(self, name: str, lines: int, after: datetime | None = None) -> list[str]:
        """The last lines of everything: the steps of the newest commit's builds, then its services. ``after``: only
        what was printed after that time."""

    async def steps(self, name: str, commit: str) -> StepHistory:
        """The steps of a commit's builds with their output; of the newest commit if it is empty."""

    async def operation_log(self, name: str, lines: int) -> list[str]:
        """The last lines of its last operation."""

    async def runtime_info(self, name: str) -> RuntimeInfo:
        """Its pods or processes, and their recent events.

        Raises TemporarilyUnavailable if the target doesn't respond.
        """

    async def suite_logs(self, name: str, suite: str, lines: int) -> list[str]:
        """The last lines of a suite's last run."""

    def follow(self, name: str, service: str | None, after: datetime | None = None) -> AsyncIterator[str]:
        """Stream the output of a service until the environment is gone; without one, everything as in ``all_logs``.
        ``after``: begin with what was printed after that time."""

    def follow_operation(self, name: str) -> AsyncIterator[str]: ...

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        """An empty ``name`` selects all environments."""

    async def up(self, name: str, by: str) -> EnvironmentView:
        """Retry a stalled or failed environment now, or trigger a cycle for it."""

    async def down(self, name: str, by: str) -> EnvironmentView:
        """Remove the trigger label from the pull request and destroy the environment."""

    async def extend(self, name: str, seconds: int, by: str) -> EnvironmentView: ...

    async def keep(self, name: str, keep: bool, by: str) -> EnvironmentView:
        """Turn expiry off or on again."""

    async def sleep(self, name: str, by: str) -> EnvironmentView:
        """Stop its processes and keep its data."""

    async def wake_up(self, name: str, by: str) -> EnvironmentView:
        """Wake it. If it is already awake, it stays awake for a while."""

    async def restart(self, name: str, service: str, by: str) -> list[str]:
        """Restart that service, or all services if it is empty. Returns the names of those that were restarted, which
        may not respond yet."""

    def variables(self, name: str) -> list[EnvironmentVariable]:
        """What people set for it, without the values of secrets."""

    async def change_variables(self, name: str, change: VariableChange, by: str) -> list[EnvironmentVariable]:
        """Set and unset variables, which an update then applies. Raises RequestRefused, and then nothing changes."""

    def resettable_databases(self, name: str) -> list[str]:
        """The databases that can be reset; none if its target can't do it."""

    async def reset_database(self, name: str, database: str, by: str) -> str:
        """Delete all data of a database, then create, seed and migrate it again. Returns its name; an empty
        ``database`` selects the only one. Raises RequestRefused."""

    async def report_problem(self, name: str, report: ProblemReport, by: str) -> str:
        """Post it as a comment on the pull request. Returns the pull request's URL. Raises RequestRefused."""

    async def approve_commit(self, name: str, commit: str, by: str) -> EnvironmentView:
        """Allow exactly this commit (its full SHA) of a fork to run, for this pull request; it must be the newest."""

    def run_command(self, name: str, request: ExecRequest, by: str) -> AsyncGenerator[ExecEvent]:
        """Run a command inside it: first ExecStarted, then output, last ExecEnded. Closing the generator kills it.

        Raises RequestRefused or TemporarilyUnavailable before it starts.
        """

    def run_job(self, name: str, request: JobRequest, by: str) -> AsyncGenerator[ExecEvent]:
        """Run a job that it contains, such as a DAG, and wait for it. The events are those of ``run_command``. Closing
        the generator ends the waiting, not the job.

        Raises RequestRefused or TemporarilyUnavailable before it starts.
        """

    async def send_input(self, session: str, data: bytes, end: bool, by: str) -> None:
        """Write to the standard input of a running command. Raises ExecSessionNotFound."""

    def resize_terminal(self, session: str, size: TerminalSize, by: str) -> None:
        """Tell a running command the new size of its terminal. Raises ExecSessionNotFound."""

    async def audit(self) -> AuditResult:
        """Compare what exists with stacks and pull requests, without changing anything."""

    async def sweep(self, dry_run: bool, by: str) -> list[str]:
        """Find and remove leftovers now. Returns a sentence for each."""

    async def approve_plan(self, plan: str, by: str) -> str:
        """Approve exactly this plan, which a guard holds."""

    async def costs(self, grouping: CostGrouping, covers: Callable[[str], bool] = every_repository) -> CostReport:
        """What environments cost, of the repositories that ``covers`` selects. Raises TemporarilyUnavailable."""

    def budgets(self) -> tuple[BudgetState, ...]:
        """How much of each budget is spent, according to the last cycle."""

    def prices(self) -> list[TargetPrices]:
        """The prices that estimates use."""

    async def refresh_prices(self, by: str) -> list[str]:
        """Download public prices. Returns the targets that have some. Raises TemporarilyUnavailable."""

    async def build_caches(self) -> list[BuildCache]:
        """What builds keep for the next ones. Raises TemporarilyUnavailable."""

    async def clear_build_caches(self, repository: str, by: str) -> list[BuildCache]:
        """Remove those of a repository (its name or ID), or all if it is empty. Returns them."""

    def pause(self, reason: str, by: str) -> PauseStatus:
        """Start nothing until ``resume``, across restarts. An earlier pause stays as it is. Raises
        TemporarilyUnavailable."""

    def resume(self, by: str) -> bool:
        """End a pause. Returns whether there was one. Raises TemporarilyUnavailable."""

    def trigger_cycle(self) -> None: ...
