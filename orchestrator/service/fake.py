"""An in-memory ``EnvironmentService`` for tests of API, dashboard and CLI.

``queue_phases`` sets the phases that an environment goes through, one for each read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.costs import cost_reports
from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.cost_reports import CostGrouping, CostReport, CostRow
from orchestrator.core.orphans.orphan_audit import AuditResult
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.core.views.versions import Version, list_versions
from orchestrator.ledger.port import Event
from orchestrator.runtime.suites import screenshot_files
from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots
from orchestrator.service import wording
from orchestrator.service.fakes.fake_commands import FakeCommands
from orchestrator.service.fakes.fake_deploys import FakeDeploys
from orchestrator.service.fakes.fake_environments import START, sample
from orchestrator.service.port import (
    BuildCache,
    EnvironmentVariable,
    ForgeUsage,
    PauseStatus,
    ProblemReport,
    RefusalReason,
    RequestRefused,
    ServiceStatus,
    StepHistory,
    TargetPrices,
    TemporarilyUnavailable,
    VariableChange,
    every_repository,
)
from programs import steps
from programs.runtime_info import LogRequest, RuntimeInfo
from programs.steps import StepEvent

__all__ = ["START", "FakeEnvironmentService", "sample"]


class FakeEnvironmentService(FakeCommands, FakeDeploys):
    """Implements ``EnvironmentService``. ``calls`` contains every request with its author."""

    def __init__(self, *views: EnvironmentView, clock: Callable[[], datetime] = lambda: START) -> None:
        super().__init__(*views, clock=clock)
        self.suite_folder: Path | None = None
        """Where screenshots of suites are."""
        self.lines: dict[tuple[str, bool], list[str]] = {}
        self.step_events: list[StepEvent] = []
        """Of the builds of ``step_commit``."""
        self.step_commit = "aaaaaaaaaaaa"
        self.orphans: list[str] = []
        self.audit_result = AuditResult()
        self.runtime_info_result = RuntimeInfo()
        self.unavailable_reason = ""
        """If set, the target doesn't respond, for this reason."""
        self.status_error: Exception | None = None
        """What ``status`` raises, as a bug would."""
        self.held_plans: set[str] = set()
        self.last_cycle: datetime | None = clock()
        self.paused: PauseStatus | None = None
        self.still_running = 0
        """What a paused server has to wait for; one less with each status."""
        self.notes: tuple[str, ...] = ()
        self.cost_rows: list[CostRow] = []
        self.caches: list[BuildCache] = []
        self.budget_states: tuple[BudgetState, ...] = ()
        self.price_lists: list[TargetPrices] = []
        self.held_variables: dict[str, dict[str, VariableValue]] = {}
        self._next_phases: dict[str, list[Phase]] = {}

    # For tests

    def queue_phases(self, name: str, *phases: Phase) -> None:
        """Set the phases of the next reads. After a final DESTROYED, the environment is gone."""
        self._next_phases[str(self._find(name).ref)] = list(phases)

    def add_log_lines(self, name: str, *lines: str, operation: bool = False) -> None:
        self.lines.setdefault((str(self._find(name).ref), operation), []).extend(lines)

    # EnvironmentService

    def status(self) -> ServiceStatus:
        if self.status_error is not None:
            raise self.status_error
        phases = [view.phase for view in self.views.values()]
        busy = {Phase.CREATING, Phase.UPDATING, Phase.DESTROYING}
        return ServiceStatus(
            version="0.0.0-fake",
            started=self.clock() - timedelta(hours=1),
            last_cycle=self.last_cycle,
            cycle_seconds=0.25,
            complete=not self.notes,
            notes=self.notes,
            running=sum(phase in busy for phase in phases),
            queued=phases.count(Phase.QUEUED),
            pause=self._next_pause(),
            forge=ForgeUsage(counted=12, free=340, remaining=4988, limit=5000, blocked_for=0.0),
        )

    def pause(self, reason: str, by: str) -> PauseStatus:
        self.calls.append(("pause", reason, by))
        if self.paused is None:
            message = f"This server is paused by {by}."
            self.paused = PauseStatus(by, self.clock(), reason, self.still_running, not self.still_running, message)
        return self.paused

    def resume(self, by: str) -> bool:
        self.calls.append(("resume", by))
        was_paused, self.paused = self.paused is not None, None
        return was_paused

    def _next_pause(self) -> PauseStatus | None:
        if self.paused is None:
            return None
        self.still_running = max(0, self.still_running - 1)
        self.paused = replace(self.paused, remaining=self.still_running, drained=not self.still_running)
        return self.paused

    def environments(self) -> list[EnvironmentView]:
        self._require_first_cycle()
        return list(self.views.values())

    def _find(self, name: str) -> EnvironmentView:
        self._require_first_cycle()
        return super()._find(name)

    def _require_first_cycle(self) -> None:
        if self.last_cycle is None:
            raise TemporarilyUnavailable(wording.FIRST_CYCLE)

    def environment(self, name: str) -> EnvironmentView:
        view = self._find(name)
        upcoming = self._next_phases.get(str(view.ref))
        if upcoming:
            view = replace(view, phase=upcoming.pop(0))
            self.put_environment(view)
            if not upcoming and view.phase is Phase.DESTROYED:
                del self.views[str(view.ref)]
        return view

    async def logs(self, name: str, query: LogRequest) -> list[str]:
        found = self.lines.get((str(self._find(name).ref), False), [])
        if query.previous:
            found = [f"{line} (before)" for line in found]
        return [line for line in found if query.service is None or line.startswith(f"{query.service} ")][-query.lines :]

    async def all_logs(self, name: str, lines: int, after: datetime | None = None) -> list[str]:
        events = [event for event in self.step_events if after is None or event.at >= after.timestamp()]
        return [*steps.log_lines(events), *await self.logs(name, LogRequest(lines=lines, after=after))][-lines:]

    async def steps(self, name: str, commit: str) -> StepHistory:
        self._find(name)
        commits = (self.step_commit,) if self.step_events else ()
        if not commits or not self.step_commit.startswith(commit[: len(self.step_commit)]):
            return StepHistory(commits=commits)
        return StepHistory(self.step_commit, commits, tuple(steps.runs(self.step_events, still_running=False)))

    async def operation_log(self, name: str, lines: int) -> list[str]:
        return self.lines.get((str(self._find(name).ref), True), [])[-lines:]

    async def runtime_info(self, name: str) -> RuntimeInfo:
        self._find(name)
        if self.unavailable_reason:
            raise TemporarilyUnavailable(self.unavailable_reason)
        return self.runtime_info_result

    async def suite_logs(self, name: str, suite: str, lines: int) -> list[str]:
        known = [each.name for each in self._find(name).tests]
        if suite not in known:
            raise RequestRefused(RefusalReason.UNKNOWN_SUITE, wording.unknown_suite(name, suite, known))
        return self.lines.get((str(self._find(name).ref), False), [])[-lines:]

    async def screenshots(self, name: str, suite: str) -> SuiteScreenshots:
        commit = self._find(name).commit
        return screenshot_files.load(self.suite_folder, suite, commit) if self.suite_folder else SuiteScreenshots()

    async def screenshot(self, name: str, suite: str, file: str) -> ScreenshotContent | None:
        self._find(name)
        return screenshot_files.read(self.suite_folder, suite, file) if self.suite_folder else None

    async def follow(self, name: str, service: str | None, after: datetime | None = None) -> AsyncIterator[str]:
        query = LogRequest(service, 1000, after=after)
        for line in await (self.logs(name, query) if service else self.all_logs(name, 1000, after)):
            yield line
        self._find(name)

    async def follow_operation(self, name: str) -> AsyncIterator[str]:
        for line in await self.operation_log(name, 1000):
            yield line

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        # A destroyed environment still has events, by its stack's name.
        gone = any(item.subject == name for item in self.log)
        subject = name if gone or not name else str(self._find(name).ref)
        found = [item for item in self.log if item.id > after and (not subject or item.subject == subject)]
        return found[-limit:] if newest else found[:limit]

    async def up(self, name: str, by: str) -> EnvironmentView:
        return self._record_call("up", name, by, Phase.CREATING)

    async def down(self, name: str, by: str) -> EnvironmentView:
        return self._record_call("down", name, by, Phase.DESTROYING)

    async def extend(self, name: str, seconds: int, by: str) -> EnvironmentView:
        view = self._record_call("extend", name, by, None, str(seconds))
        extended = replace(view, expires_at=self.clock() + timedelta(seconds=seconds))
        self.put_environment(extended)
        return extended

    async def keep(self, name: str, keep: bool, by: str) -> EnvironmentView:
        view = self._record_call("keep" if keep else "unkeep", name, by, None)
        kept = replace(view, expires_at=None if keep else self.clock() + timedelta(hours=72), kept=keep)
        self.put_environment(kept)
        return kept

    async def sleep(self, name: str, by: str) -> EnvironmentView:
        return self._record_call("sleep", name, by, Phase.ASLEEP)

    async def wake_up(self, name: str, by: str) -> EnvironmentView:
        return self._record_call("wake", name, by, Phase.STARTING)

    async def restart(self, name: str, service: str, by: str) -> list[str]:
        view = self._record_call("restart", name, by, None, service)
        return [service] if service else sorted(view.urls)

    def variables(self, name: str) -> list[EnvironmentVariable]:
        held = self.held_variables.get(self._find(name).name, {})
        return [
            EnvironmentVariable(key, None if item.secret else item.value, item.secret)
            for key, item in sorted(held.items())
        ]

    async def change_variables(self, name: str, change: VariableChange, by: str) -> list[EnvironmentVariable]:
        view = self._record_call("env", name, by, None, *change.set, *(f"-{each}" for each in change.unset))
        held = self.held_variables.setdefault(view.name, {})
        held.update(change.set)
        for each in change.unset:
            held.pop(each, None)
        return self.variables(name)

    def resettable_databases(self, name: str) -> list[str]:
        self._find(name)
        return ["main"]

    async def reset_database(self, name: str, database: str, by: str) -> str:
        self._record_call("reset_database", name, by, Phase.UPDATING, database)
        return database or "main"

    async def report_problem(self, name: str, report: ProblemReport, by: str) -> str:
        return self._record_call("report_problem", name, by, None, report.path, report.text).pull_url

    async def approve_commit(self, name: str, commit: str, by: str) -> EnvironmentView:
        view = self._find(name)
        if commit != view.wanted_commit:
            raise RequestRefused(
                RefusalReason.NOT_NEWEST_COMMIT, wording.not_newest_commit(name, view.wanted_commit, commit)
            )
        return self._record_call("approve_commit", name, by, None, commit)

    async def audit(self) -> AuditResult:
        return self.audit_result

    async def sweep(self, dry_run: bool, by: str) -> list[str]:
        self.calls.append(("sweep", "dry" if dry_run else "real", by))
        found = list(self.orphans)
        if not dry_run:
            self.orphans.clear()
        return found

    async def versions(self, repository: str) -> list[Version]:
        return list_versions(self.environments(), repository)

    async def approve_plan(self, plan: str, by: str) -> str:
        if plan not in self.held_plans:
            raise RequestRefused(RefusalReason.PLAN_NOT_HELD, wording.plan_not_held(plan, ", ".join(self.held_plans)))
        self.held_plans.discard(plan)
        self.calls.append(("approve", plan, by))
        return wording.plan_runs(plan)

    async def costs(self, grouping: CostGrouping, covers: Callable[[str], bool] = every_repository) -> CostReport:
        views = [view for view in self.views.values() if covers(view.repository)]
        rows = [row for row in self.cost_rows if covers(row.repository)]
        budgets = [state for state in self.budget_states if covers(state.repository)]
        return cost_reports.build(views, rows, budgets, grouping, self.clock())

    def budgets(self) -> tuple[BudgetState, ...]:
        return self.budget_states

    def prices(self) -> list[TargetPrices]:
        return self.price_lists

    async def refresh_prices(self, by: str) -> list[str]:
        if self.unavailable_reason:
            raise TemporarilyUnavailable(self.unavailable_reason)
        self.calls.append(("refresh_prices", by))
        return [each.target for each in self.price_lists]

    async def build_caches(self) -> list[BuildCache]:
        return list(self.caches)

    async def clear_build_caches(self, repository: str, by: str) -> list[BuildCache]:
        chosen = [each for each in self.caches if repository in ("", each.repository, each.repository_id)]
        if repository and not chosen:
            known = [each.repository for each in self.caches]
            raise RequestRefused(RefusalReason.UNKNOWN_REPOSITORY, wording.no_build_cache(repository, known))
        self.calls.append(("clear_build_caches", repository, by))
        self.caches = [each for each in self.caches if each not in chosen]
        return chosen

    def trigger_cycle(self) -> None:
        self.calls.append(("wake",))
